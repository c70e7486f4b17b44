// A list of rows like Stripe's, as fast as can be: rows-server.mjs ROWS BYTES DISTURBED. Prints its address.
// BYTES: of a row, about. DISTURBED 1: one row of a hundred has ten fields more and a number that is wider, or does not fit.
import { createServer } from 'node:http';

const [rows, bytes, disturbed] = process.argv.slice(2).map(Number);
const end = Math.floor(Date.now() / 86_400_000) * 86_400;
const start = end - 10 * 365 * 86_400;
const createdOf = (index) => start + Math.floor((index * (end - start)) / rows);
/** The first row that was created at this second or later. */
const indexAt = (second) => {
  let index = Math.max(0, Math.min(rows, Math.floor(((second - start) * rows) / (end - start)) - 1));
  while (index < rows && createdOf(index) < second) index++;
  return index;
};

const SMALL = '"balance":1204,"currency":"eur","delinquent":false,"livemode":true,"name":"Ana Example","metadata":{}';
const text = (length) => 'Lorem ipsum dolor sit amet, consetetur sadipscing elitr. '.repeat(40).slice(0, length);
const address =
  '{"city":"Lyon","country":"FR","line1":"1 Rue de l\'Exemple","line2":null,"postal_code":"69001","state":null}';
const LARGE = [
  SMALL,
  `"address":${address}`,
  '"cash_balance":null,"default_source":"card_1A2b3C4d5E6f7G8h","discount":null,"email":"ana.example@example.com"',
  '"invoice_credit_balance":{"eur":0,"usd":1250},"invoice_prefix":"A1B2C3D4","next_invoice_sequence":17',
  '"invoice_settings":{"custom_fields":null,"default_payment_method":null,"footer":null,"rendering_options":null}',
  '"phone":"+33 1 23 45 67 89","preferred_locales":["fr","en"]',
  `"shipping":{"address":${address},"carrier":null,"name":"Ana Example","phone":null,"tracking_number":null}`,
  '"sources":{"object":"list","data":[],"has_more":false,"total_count":0,"url":"/v1/customers/x/sources"}',
  '"subscriptions":{"object":"list","data":[],"has_more":false,"total_count":0,"url":"/v1/customers/x/subscriptions"}',
  '"tax":{"automatic_tax":"supported","ip_address":null,"location":null},"tax_exempt":"none","test_clock":null',
].join(',');
const body = bytes < 500 ? SMALL : LARGE;
const RENAMED = Array.from({ length: 10 }, (_, i) => `"renamed_${i}":"value ${i}"`).join(',');
const WIDER = `"balance":1204.5,${RENAMED}`;
const MISFIT = '"balance":1e999';
const made = `"object":"customer",${body},"description":"`;
const rest = text(Math.max(1, bytes - made.length - 62));
const rowOf = (index) => {
  const isOdd = disturbed && index % 100 === 7;
  const odd = isOdd ? `",${index % 200 === 7 ? WIDER : MISFIT}}` : '"}';
  return `{"id":"cus_${index.toString(36).padStart(14, '0')}","created":${createdOf(index)},${made}${rest}${odd}`;
};

createServer((request, response) => {
  const url = new URL(request.url, 'http://local');
  const query = url.searchParams;
  let answer;
  if (url.pathname === '/v1/account') answer = `{"id":"acct_1","object":"account","created":${start}}`;
  else if (url.pathname !== '/v1/customers')
    answer = `{"object":"list","data":[],"has_more":false,"url":"${url.pathname}"}`;
  else {
    const after = query.get('starting_after');
    const from = query.has('created[gte]') ? indexAt(Number(query.get('created[gte]'))) : 0;
    let at = (query.has('created[lt]') ? indexAt(Number(query.get('created[lt]'))) : rows) - 1;
    if (after) at = Math.min(at, parseInt(after.slice(4), 36) - 1);
    const parts = [];
    for (; at >= from && parts.length < 100; at--) parts.push(rowOf(at));
    answer = `{"object":"list","data":[${parts.join(',')}],"has_more":${at >= from},"url":"/v1/customers"}`;
  }
  response.setHeader('content-type', 'application/json');
  response.setHeader('content-length', answer.length);
  response.end(answer, 'latin1');
}).listen(0, '127.0.0.1', function () {
  console.log(`http://127.0.0.1:${this.address().port} ${start} ${end}`);
});

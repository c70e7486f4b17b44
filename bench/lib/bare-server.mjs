// A server that reads what it is sent and answers, and does nothing else: what the machine itself takes for that.
// Prints its address.
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  request.resume();
  request.once('end', () => response.end('{"received":true}'));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));
process.stdin.once('end', () => process.exit(0)).resume();

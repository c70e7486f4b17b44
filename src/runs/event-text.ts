/** What runs tell, in sentences. Pure, and free of everything else: browsers use it as well. */
import { duration } from '../base/duration.js';

export type ToldEvent = { type: string } & Record<string, unknown>;

/** What a run told, in a sentence. */
export function eventText(event: ToldEvent): string {
  const of = (name: string) => (event[name] === undefined || event[name] === null ? '' : String(event[name]));
  switch (event.type) {
    case 'started':
      return `began: account ${of('account')}, ${(event['streams'] as string[]).length} streams`;
    case 'wait':
      return `waits for ${of('reason')}${event['limit'] ? ` (${of('limit')})` : ''}${Number(event['ms']) > 0 ? `, ${duration(Number(event['ms']))}` : ''}`;
    case 'retries':
      return `${of('count')} retries at ${of('endpoint')}: ${of('reason')}`;
    case 'stream':
      return `${of('stream')}: ${of('status')}${event['message'] ? `, ${of('message')}` : ''}`;
    case 'note':
      return of('message');
    case 'finished':
      return `ended: ${of('outcome')}`;
    default:
      return event.type;
  }
}

/** What somebody who looks for a fault wants to see first. */
export function isTrouble(event: ToldEvent): boolean {
  switch (event.type) {
    case 'retries':
      return true;
    case 'stream':
      return ['failed', 'skipped'].includes(String(event['status']));
    case 'finished':
      return ['failed', 'partial'].includes(String(event['outcome']));
    default:
      return false;
  }
}

// What a task of the chaos benches does: it takes a while, fails now and then, and leaves one row. The row and the end
// of the task are one transaction, so whoever comes second leaves nothing and says `refused`.
import { systemClock } from '../../dist/base/clock.js';

export function leaveRow(scheduler, random, workMs, failing = 0) {
  return async (task) => {
    await systemClock.sleep(random.next() * 2 * workMs);
    if (random.next() < failing) throw new Error('a task that fails now and then');
    await scheduler.pool.transaction(async (client) => {
      await client.query('insert into effect (task, attempt) values ($1, $2)', [task.id, task.attempt]);
      const [mine] = await scheduler.complete([task], client);
      if (!mine) {
        process.stdout.write('refused\n');
        throw new Error('another has this task');
      }
    });
    return 'settled';
  };
}

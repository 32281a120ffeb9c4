// Sends jobs that do nothing through BullMQ and prints how many a second were done, from the first that was
// asked for to the last that was done. Arguments: the port of Redis, the number of jobs.
import { Queue, Worker } from 'bullmq';

const [port, jobs] = process.argv.slice(2).map(Number);
const connection = { host: '127.0.0.1', port };
const queue = new Queue('bench', { connection });
await queue.waitUntilReady();

let done = 0;
let finish;
const finished = new Promise((resolve) => { finish = resolve; });
const worker = new Worker('bench', async () => null, {
    connection,
    concurrency: 200,
    removeOnComplete: { count: 1000 },
    removeOnFail: { count: 5000 },
});
worker.on('completed', () => { if (++done === jobs) finish(); });
await worker.waitUntilReady();

const begun = process.hrtime.bigint();
for (let sent = 0; sent < jobs; sent += 1000) {
    const batch = Array.from({ length: Math.min(1000, jobs - sent) }, () => ({ name: 'nothing', data: { order: sent } }));
    await queue.addBulk(batch);
}
await finished;
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
console.log(jobs / seconds);
process.exit(0);

/**
 * One contender of one row, in a process of its own: what other contenders have taught the compiler must not count.
 * Reads what to do from its arguments, prints nanoseconds (or bytes) as JSON.
 */
import { setImmediate } from 'node:timers/promises';

const { row, contender, params } = JSON.parse(process.argv[2]);
const { contenders, measure = time } = await import(`./rows/${row}.mjs`);
const prepared = await contenders[contender](params);
console.log(JSON.stringify(await measure(prepared, params)));
process.exit();

/** Nanoseconds per operation: the median of several samples, each long enough for the clock, after a warm-up. */
async function time({ run, check }) {
  const SAMPLE = 8e6;
  let times = 1;
  // how many operations fill a sample; warms up on the way
  for (let spent = 0; spent < SAMPLE;) {
    const began = process.hrtime.bigint();
    await run(times);
    spent = Number(process.hrtime.bigint() - began);
    // what a WeakRef was made of lives to the end of the job: an app has turns, and so has this
    await setImmediate();
    if (spent < SAMPLE) times = Math.ceil(times * Math.min(8, (1.2 * SAMPLE) / Math.max(spent, 1)));
  }
  for (let index = 0; index < 6; index++) {
    await run(times);
    await setImmediate();
  }
  const samples = [];
  for (let index = 0; index < 15; index++) {
    const began = process.hrtime.bigint();
    await run(times);
    samples.push(Number(process.hrtime.bigint() - began) / times);
    await setImmediate();
  }
  // a contender that is fast because it does not do the work is no contender
  check?.();
  return samples.sort((one, other) => one - other)[7];
}

import { setImmediate } from 'node:timers/promises';

/**
 * Collect garbage for certain. A WeakRef that was made or read keeps its target to the end of the job, so every round
 * starts in a new one; finalization callbacks run in a job of their own.
 */
export async function collectGarbage(): Promise<void> {
  if (globalThis.gc === undefined) throw new Error('Run with --expose-gc: vitest.config.ts sets it');
  for (let round = 0; round < 4; round++) {
    await setImmediate();
    globalThis.gc();
  }
  await setImmediate();
}

/** Bytes in use after everything collectable is gone. */
export async function usedHeap(): Promise<number> {
  await collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Whether what `make` returns is collected when only what else it has set up could keep it. */
export async function isCollected(make: () => object): Promise<boolean> {
  const reference = new WeakRef(make());
  await collectGarbage();
  return reference.deref() === undefined;
}

import { afterAll, expect } from 'vitest';
import { m2mChanged, postBulk, postDelete, postSave, preDelete, preSave } from '../../src/index.ts';

/** Every test file leaves the process-wide signals as it found them. */
afterAll(() => {
  for (const signal of [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk]) {
    expect(signal.connections, `receivers left behind on ${signal.name}`).toEqual([]);
  }
});

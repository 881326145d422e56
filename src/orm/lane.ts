import { currentFrame } from './frames.ts';

/** Works started in one go; when one fails, so do those that have not begun. */
interface Batch {
  failure: { readonly error: unknown } | undefined;
}

/** Runs works one after the other in the order they were given, also when they are all given at once. */
class Lane {
  private tail: Promise<unknown> = Promise.resolve();
  private batch: Batch | undefined = undefined;

  enter(work: () => Promise<void>): Promise<void> {
    const batch = this.currentBatch();
    const done = this.tail.then(async () => {
      // the write that this belongs to has already failed, and may have been rolled back
      if (batch.failure !== undefined) throw batch.failure.error;
      try {
        await work();
      } catch (error) {
        batch.failure = { error };
        throw error;
      }
    });
    this.tail = done.catch(() => undefined);
    return done;
  }

  private currentBatch(): Batch {
    if (this.batch === undefined) {
      this.batch = { failure: undefined };
      queueMicrotask(() => {
        this.batch = undefined;
      });
    }
    return this.batch;
  }
}

const lanes = new WeakMap<object, Lane>();

/**
 * Run `work` when everything before it on `resource` is done. An ORM may start the hooks of all instances of one write
 * at once, yet receivers run one after the other. Called from within a receiver on the same resource, the work belongs
 * to that receiver and does not wait for what comes after it.
 */
export function inTurn(resource: object, work: () => Promise<void>): Promise<void> {
  let owner: object = resource;
  for (let frame = currentFrame(); frame !== undefined; frame = frame.parent) {
    if (frame.resource === resource) {
      owner = frame;
      break;
    }
  }
  let lane = lanes.get(owner);
  if (lane === undefined) lanes.set(owner, (lane = new Lane()));
  return lane.enter(work);
}

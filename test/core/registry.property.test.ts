import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Connection, Signal } from '../../src/index.ts';

/**
 * The registry against a model that anyone can check by eye: a plain array of registrations, searched from the front.
 */
class Model {
  registrations: Registered[] = [];
  private nextOrder = 0;

  find(receiver: number, { sender, uid }: Options): Registered | undefined {
    return this.registrations.find(
      (each) => each.sender === sender && each.uid === uid && (uid !== undefined || each.receiver === receiver),
    );
  }

  /** What connect() must do: 'conflict' or the registration that stands afterwards. */
  connect(receiver: number, options: Options): Registered | 'conflict' {
    const found = this.find(receiver, options);
    if (found !== undefined && options.replace) {
      if (found.receiver === receiver && found.once === options.once) return found;
      const renewed = { ...options, receiver, order: found.order, priority: found.priority };
      this.registrations[this.registrations.indexOf(found)] = renewed;
      return renewed;
    }
    if (found !== undefined)
      return found.priority === options.priority && found.once === options.once ? found : 'conflict';
    const made = { ...options, receiver, order: this.nextOrder++ };
    this.registrations.push(made);
    return made;
  }

  remove(registration: Registered | undefined): boolean {
    if (registration === undefined || !this.registrations.includes(registration)) return false;
    this.registrations = this.registrations.filter((each) => each !== registration);
    return true;
  }

  heardBy(sender: unknown): Registered[] {
    return this.registrations
      .filter((each) => each.sender === null || each.sender === sender)
      .sort((a, b) => b.priority - a.priority || a.order - b.order);
  }
}

interface Options {
  readonly sender: unknown;
  readonly uid: string | undefined;
  readonly priority: number;
  readonly once: boolean;
  readonly replace: boolean;
}
interface Registered extends Options {
  readonly receiver: number;
  readonly order: number;
}

class User {}
const SENDERS = [null, User, { some: 'object' }, 'orders', 7];
const RECEIVERS = 4;

const optionsOf = fc
  .record({
    sender: fc.constantFrom(...SENDERS),
    uid: fc.constantFrom(undefined, undefined, 'a', 'b'),
    priority: fc.constantFrom(0, 0, 0, 1, -1),
    once: fc.constantFrom(false, false, false, true),
    replace: fc.boolean(),
  })
  .map((options) => (options.uid === undefined ? { ...options, replace: false } : options));
const receiverOf = fc.nat(RECEIVERS - 1);

type Step =
  | { readonly kind: 'connect'; readonly receiver: number; readonly options: Options }
  | { readonly kind: 'disconnect'; readonly receiver: number; readonly options: Options }
  | { readonly kind: 'dispose'; readonly at: number };
const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('connect' as const), receiver: receiverOf, options: optionsOf }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('disconnect' as const), receiver: receiverOf, options: optionsOf }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('dispose' as const), at: fc.nat(20) }) },
);
/** A send, during which the n-th call may take steps or send again. */
interface Send {
  readonly kind: 'send';
  readonly sender: unknown;
  readonly during: readonly { readonly call: number; readonly action: Step | Send }[];
}
const sendOf = fc.letrec<{ send: Send }>((tie) => ({
  send: fc.record({
    kind: fc.constant('send' as const),
    sender: fc.constantFrom(...SENDERS),
    during: fc.array(fc.record({ call: fc.nat(4), action: fc.oneof({ depthSize: 'small' }, stepOf, tie('send')) }), {
      maxLength: 3,
    }),
  }),
})).send;
const scripts = fc.array(fc.oneof({ weight: 3, arbitrary: stepOf }, { weight: 2, arbitrary: sendOf }), {
  minLength: 1,
  maxLength: 30,
});

test('connect, disconnect, once, priority, senders, uids and sends inside sends behave as the model says', () => {
  fc.assert(
    fc.property(scripts, (script) => {
      new Run().play(script);
    }),
    { numRuns: 1500 },
  );
});

/** Plays a script on a signal and on the model side by side. */
class Run {
  private readonly signal = new Signal();
  private readonly model = new Model();
  private readonly connections = new Map<Registered, Connection>();
  private readonly made: Connection[] = [];
  /** What to do when a receiver is called, innermost send last. */
  private readonly whenCalled: ((receiver: number) => void)[] = [];
  private readonly receivers = Array.from({ length: RECEIVERS }, (_unused, index) => () => {
    this.whenCalled.at(-1)?.(index);
    // half of them answer, so that both kinds of result are seen
    return index % 2 === 0 ? undefined : index;
  });

  play(script: readonly (Step | Send)[]): void {
    for (const step of script) {
      this.take(step);
      for (const sender of SENDERS)
        expect(this.signal.hasListeners(sender)).toBe(this.model.heardBy(sender).length > 0);
      expect(this.signal.connections.map(({ receiver, sender }) => [receiver, sender ?? null])).toEqual(
        [...this.model.registrations]
          .sort((a, b) => b.priority - a.priority || a.order - b.order)
          .map(({ receiver, sender }) => [this.receivers[receiver], sender]),
      );
    }
  }

  private take(step: Step | Send): void {
    if (step.kind === 'connect') this.connect(step.receiver, step.options);
    else if (step.kind === 'disconnect') this.disconnect(step.receiver, step.options);
    else if (step.kind === 'dispose') this.dispose(step.at);
    else this.send(step);
  }

  private connect(receiver: number, options: Options): void {
    const { sender, uid, priority, once, replace } = options;
    const expected = this.model.connect(receiver, options);
    const connect = (): Connection =>
      this.signal.connect(
        this.receivers[receiver] as () => unknown,
        { sender, priority, once, replace, ...(uid === undefined ? {} : { dispatchUid: uid }) } as never,
      );
    if (expected === 'conflict') {
      expect(connect).toThrow(TypeError);
      return;
    }
    const connection = connect();
    const before = this.connections.get(expected);
    if (before !== undefined) expect(connection).toBe(before);
    this.connections.set(expected, connection);
    this.made.push(connection);
  }

  private disconnect(receiver: number, { sender, uid }: Options): void {
    const expected = this.model.remove(
      this.model.registrations.find(
        (each) => each.sender === sender && each.uid === uid && (uid !== undefined || each.receiver === receiver),
      ),
    );
    const options = { sender };
    expect(
      uid === undefined
        ? this.signal.disconnect(this.receivers[receiver] as () => unknown, options)
        : this.signal.disconnect({ dispatchUid: uid, ...options }),
    ).toBe(expected);
  }

  private dispose(at: number): void {
    const connection = this.made[at % Math.max(1, this.made.length)];
    if (connection === undefined) return;
    const registration = this.model.registrations.find((each) => this.connections.get(each) === connection);
    expect(connection.disconnect()).toBe(this.model.remove(registration));
  }

  private send({ sender, during }: Send): void {
    // the list is fixed when the send starts
    const list = this.model.heardBy(sender);
    let position = 0;
    const called: number[] = [];
    this.whenCalled.push((receiver) => {
      // whoever was disconnected meanwhile is passed over
      while (position < list.length && !this.model.registrations.includes(list[position] as Registered)) position++;
      const registration = list[position++];
      expect(registration?.receiver).toBe(receiver);
      if (registration?.once === true) this.model.remove(registration);
      const call = called.push(receiver) - 1;
      for (const { call: when, action } of during) if (when === call) this.take(action);
    });
    const pairs = this.signal.send(sender);
    this.whenCalled.pop();
    while (position < list.length) expect(this.model.registrations).not.toContain(list[position++]);
    expect(pairs).toEqual(
      called.map((receiver) => [this.receivers[receiver], receiver % 2 === 0 ? undefined : receiver]),
    );
  }
}

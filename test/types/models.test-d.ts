import { describe, expectTypeOf, test } from 'vitest';
import {
  type AnySignal,
  type DeleteArgs,
  m2mChanged,
  type ModelSignal,
  postBulk,
  postDelete,
  postSave,
  type PostSaveArgs,
  preDelete,
  preSave,
  type PreSaveArgs,
  receiver,
  Signal,
} from '../../src/index.ts';

class User {
  name = 'Ada';
}
class Hidden {
  secret = 1;
  private constructor() {}
  static make(): Hidden {
    return new Hidden();
  }
}
abstract class Shape {
  abstract area: number;
}

describe('instance is inferred from sender', () => {
  test('in connect()', () => {
    postSave.connect(
      (sender, { instance, created, tx }) => {
        expectTypeOf(sender).toEqualTypeOf<typeof User>();
        expectTypeOf(instance).toEqualTypeOf<User>();
        expectTypeOf(created).toEqualTypeOf<boolean>();
        expectTypeOf(tx).toEqualTypeOf<unknown>();
      },
      { sender: User },
    );
    preSave.connect(
      (_sender, { instance }) => {
        expectTypeOf(instance).toEqualTypeOf<Hidden>();
      },
      { sender: Hidden },
    );
    preDelete.connect(
      (_sender, { instance }) => {
        expectTypeOf(instance).toEqualTypeOf<Shape>();
      },
      { sender: Shape, subclasses: true },
    );
    postSave.connect((_sender, { instance }) => {
      expectTypeOf(instance).toEqualTypeOf<object>();
    });
    postSave.connect(
      (_sender, { instance }) => {
        expectTypeOf(instance).toEqualTypeOf<object>();
      },
      { sender: 'users' },
    );
    postBulk.connect((_sender, { operation, count }) => {
      expectTypeOf(operation).toEqualTypeOf<'insert' | 'update' | 'delete' | 'upsert'>();
      expectTypeOf(count).toEqualTypeOf<number | undefined>();
    });
    const owner = { name: 'owner' };
    postSave.connect(
      function (_sender, { instance }) {
        expectTypeOf(this).toEqualTypeOf<{ name: string }>();
        expectTypeOf(instance).toEqualTypeOf<User>();
      },
      { sender: User, owner, afterCommit: true },
    );
  });

  test('in receiver() around a function', () => {
    const greet = receiver(postSave, { sender: User })((sender, { instance, created }, signal) => {
      expectTypeOf(sender).toEqualTypeOf<typeof User>();
      expectTypeOf(instance).toEqualTypeOf<User>();
      expectTypeOf(created).toEqualTypeOf<boolean>();
      expectTypeOf(signal).toEqualTypeOf<ModelSignal<'postSave'>>();
      return instance.name;
    });
    expectTypeOf(greet).returns.toEqualTypeOf<string>();
    receiver(preSave)((_sender, { instance }) => {
      expectTypeOf(instance).toEqualTypeOf<object>();
    });
    receiver([preSave, postDelete], { sender: User })((_sender, args) => {
      expectTypeOf(args).toEqualTypeOf<PreSaveArgs<User> | DeleteArgs<User>>();
      expectTypeOf(args.instance).toEqualTypeOf<User>();
    });
    receiver(new Signal<{ n: number }, string>())((sender, { n }) => {
      expectTypeOf(sender).toEqualTypeOf<string>();
      expectTypeOf(n).toEqualTypeOf<number>();
    });
  });

  test('in receiver() on methods and fields', () => {
    class Mailer {
      @receiver(postSave, { sender: User }) onUser(_sender: typeof User, { instance }: PostSaveArgs<User>): string {
        return instance.name;
      }
      @receiver([preSave, postDelete]) static audit(): void {}
      @receiver(postSave, { sender: User }) #hidden(_sender: typeof User, _args: PostSaveArgs<User>): void {}
      @receiver(postSave, { sender: User, afterCommit: true }) field = (
        _sender: typeof User,
        { instance }: PostSaveArgs<User>,
      ): string => instance.name;
      @receiver(postSave) async everything(_sender: unknown, { created }: PostSaveArgs): Promise<boolean> {
        return Promise.resolve(created);
      }
    }
    expectTypeOf(Mailer).toBeConstructibleWith();
  });

  test('in send()', () => {
    postSave.send(User, { instance: new User(), created: true });
    postSave.send('users', { instance: {}, created: true, tx: 'anything' });
    // @ts-expect-error another instance
    postSave.send(User, { instance: { name: 5 }, created: true });
    // @ts-expect-error created is essential
    postSave.send(User, { instance: new User() });
    preSave.send(User, { instance: new User() });
    postBulk.send(User, { operation: 'delete' });
    m2mChanged.send(User, { action: 'preClear', instance: new User(), model: User, pkSet: null });
    // @ts-expect-error an unknown action
    m2mChanged.send(User, { action: 'add', instance: new User(), model: User, pkSet: null });
    // @ts-expect-error an unknown key
    postSave.send(User, { instance: new User(), created: true, creatd: true });
  });
});

describe('compile errors', () => {
  test('a narrower annotation without sender', () => {
    // @ts-expect-error every sender is heard
    postSave.connect((_sender: unknown, _args: PostSaveArgs<User>) => undefined);
    // @ts-expect-error every sender is heard
    receiver(postSave)((_sender: typeof User) => undefined);
    class Mailer {
      // @ts-expect-error every sender is heard
      @receiver(postSave) onUser(_sender: unknown, _args: PostSaveArgs<User>): void {}
    }
    void Mailer;
  });

  test('a payload of another class or another signal', () => {
    // @ts-expect-error of another class
    postSave.connect((_sender: typeof User, _args: PostSaveArgs<Hidden>) => undefined, { sender: User });
    // @ts-expect-error preSave does not say for certain whether it creates
    preSave.connect((_sender: unknown, { created }: { created: boolean }) => created);
    class Mailer {
      // @ts-expect-error of another class
      @receiver(postSave, { sender: User }) onUser(_sender: typeof User, _args: PostSaveArgs<Hidden>): void {}
    }
    void Mailer;
  });

  test('tx after the commit', () => {
    const signal = postSave as ModelSignal<'postSave', { query: () => void }>;
    signal.connect(
      (_sender, { tx }) => {
        expectTypeOf(tx).toEqualTypeOf<{ query: () => void }>();
      },
      { sender: User },
    );
    signal.connect(
      (_sender, { tx, instance }) => {
        expectTypeOf(tx).toEqualTypeOf<undefined>();
        expectTypeOf(instance).toEqualTypeOf<User>();
      },
      { sender: User, afterCommit: true },
    );
    receiver(signal, { afterCommit: true })((_sender, { tx }) => {
      expectTypeOf(tx).toEqualTypeOf<undefined>();
    });
    receiver(signal)((_sender, { tx }) => {
      expectTypeOf(tx).toEqualTypeOf<{ query: () => void }>();
    });
  });

  test('afterCommit on a signal that precedes the write', () => {
    postSave.connect(() => undefined, { afterCommit: true });
    receiver([postSave, postDelete], { afterCommit: true })(() => undefined);
    // @ts-expect-error nothing is committed after preSave
    preSave.connect(() => undefined, { afterCommit: true });
    // @ts-expect-error it must suit every signal
    receiver([postSave, preDelete], { afterCommit: true })(() => undefined);
    // @ts-expect-error only model signals have it
    receiver(new Signal(), { afterCommit: true })(() => undefined);
  });

  test('decorating a getter, a setter, an accessor, a class or a field without a function', () => {
    class Wrong {
      // @ts-expect-error a getter
      @receiver(postSave) get getter(): number {
        return 1;
      }
      // @ts-expect-error a setter
      @receiver(postSave) set setter(_value: number) {}
      // @ts-expect-error a field that holds no function
      @receiver(postSave) field = 'text';
      // @ts-expect-error an accessor
      @receiver(postSave) accessor auto = 1;
    }
    // @ts-expect-error a class
    @receiver(postSave)
    class Decorated {}
    void [Wrong, Decorated];
  });

  test('unknown options and signals', () => {
    // @ts-expect-error an unknown option
    receiver(postSave, { sendr: User });
    // @ts-expect-error no signal
    receiver('postSave');
    // @ts-expect-error not a function
    receiver(postSave)('text');
  });
});

test('model signals are AnySignal', () => {
  const signals: AnySignal[] = [preSave, postSave, preDelete, postDelete, m2mChanged, postBulk];
  expectTypeOf(signals).toEqualTypeOf<AnySignal[]>();
});

import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'libsql';

type Callback = (
  this: { readonly lastID?: unknown; readonly changes?: number },
  error: unknown,
  rows?: unknown[],
) => void;
type Outcome = readonly [{ readonly lastID?: unknown; readonly changes?: number }, error: unknown, rows?: unknown[]];
type Parameters = unknown[] | Record<string, unknown>;

/** As much of the `sqlite3` package as Sequelize uses, on a SQLite that needs no compiler. */
class Database {
  readonly filename: string;
  uuid?: string;
  private readonly database: InstanceType<typeof Sqlite>;
  private closed = false;

  constructor(filename: string, _mode: number, opened: (error: unknown) => void) {
    this.filename = filename;
    this.database = new Sqlite(filename);
    queueMicrotask(() => {
      opened(null);
    });
  }

  serialize(work: () => void): void {
    work();
  }

  run(sql: string, parameters: Parameters = [], done?: Callback): void {
    this.execute(sql, parameters, done);
  }

  all(sql: string, parameters: Parameters | Callback, done?: Callback): void {
    if (typeof parameters === 'function') this.execute(sql, [], parameters);
    else this.execute(sql, parameters, done);
  }

  close(done?: (error: unknown) => void): void {
    this.closed = true;
    this.database.close();
    done?.(null);
  }

  private execute(sql: string, parameters: Parameters, done: Callback | undefined): void {
    // `$1` is called 1
    const bound = Array.isArray(parameters)
      ? parameters
      : Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name.slice(1), value]));
    void this.attempt(sql, bound)
      .catch((error: unknown): Outcome => [{}, error])
      .then(([self, error, rows]) => setImmediate(() => done?.call(self, error, rows)));
  }

  /** What sqlite3 does with a lock of another connection: wait for a second. */
  private async attempt(sql: string, parameters: Parameters): Promise<Outcome> {
    const statement = this.database.prepare(sql);
    for (let patience = 100; ; patience--) {
      if (this.closed) throw new Error('SQLITE_MISUSE: Database is closed');
      try {
        this.assertUnlocked(sql);
        if (statement.reader) return [{}, null, statement.all(parameters)];
        const { changes, lastInsertRowid } = statement.run(parameters);
        return [{ lastID: lastInsertRowid, changes }, null, []];
      } catch (error) {
        if (patience === 0 || !isBusy(error)) throw error;
        await sleep(10);
      }
    }
  }

  /**
   * A statement of libsql that has met a lock stays begun until it is collected as garbage. What its connection writes
   * until then seems to be done, and is not committed. So the lock is tried first, by what leaves no statement.
   */
  private assertUnlocked(sql: string): void {
    if (this.database.inTransaction || !/^(insert|update|delete|replace)/i.test(sql)) return;
    this.database.exec('begin immediate');
    this.database.exec('rollback');
  }
}

function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY');
}

export const sqlite3 = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4 };

import Sqlite from 'libsql';

type Callback = (
  this: { readonly lastID?: unknown; readonly changes?: number },
  error: unknown,
  rows?: unknown[],
) => void;
type Parameters = unknown[] | Record<string, unknown>;

/** As much of the `sqlite3` package as Sequelize uses, on a SQLite that needs no compiler. */
class Database {
  readonly filename: string;
  uuid?: string;
  private readonly database: InstanceType<typeof Sqlite>;

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
    this.database.close();
    done?.(null);
  }

  private execute(sql: string, parameters: Parameters, done: Callback | undefined): void {
    // `$1` is called 1
    const bound = Array.isArray(parameters)
      ? parameters
      : Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name.slice(1), value]));
    let outcome: [{ lastID?: unknown; changes?: number }, unknown, unknown[]?];
    try {
      const statement = this.database.prepare(sql);
      if (statement.reader) outcome = [{}, null, statement.all(bound)];
      else {
        const { changes, lastInsertRowid } = statement.run(bound);
        outcome = [{ lastID: lastInsertRowid, changes }, null, []];
      }
    } catch (error) {
      outcome = [{}, error];
    }
    const [self, error, rows] = outcome;
    setImmediate(() => done?.call(self, error, rows));
  }
}

export const sqlite3 = { Database, OPEN_READWRITE: 2, OPEN_CREATE: 4 };

/** One table: what is measured, with which parameters, by whom. */
export interface Cell {
  /** The file in rows/ that has the contenders. */
  readonly row: string;
  readonly title: string;
  readonly unit: string;
  readonly params: object;
  readonly contenders: readonly string[];
  readonly rounds: number;
  /** Part of the bench of half a minute. */
  readonly quick?: boolean;
  /** For rows that are not about one number each. */
  readonly print?: (measure: (contender: string, params?: object) => unknown) => string;
}

/**
 * What the others are divided by: tocsin, but where the question is how far it is from the least that anyone could do.
 */
export const REFERENCE: Readonly<Record<string, string>> = { churn: 'a Map', imports: 'node:events' };

const EMITTERS = ['node:events', 'eventemitter3', 'nanoevents', 'mitt', 'tseep', 'EventTarget'];
const SIGNALS = [
  'tapable',
  '@lumino/signaling',
  'mini-signals',
  'typed-signals',
  'js-signals',
  'ste-events',
  'rxjs Subject',
];
const TOCSIN = ['tocsin', 'tocsin again'];
const plural = (count: number, thing: string): string =>
  `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`;

const dispatch = [1, 32].flatMap((signals) =>
  [0, 1, 3, 10, 100].map((receivers): Cell => ({
    row: 'dispatch',
    title: `1. ${signals === 1 ? 'One signal' : '32 signals in turn'}, ${plural(receivers, 'receiver')}`,
    unit: 'ns a send',
    params: { signals, receivers },
    contenders: [...TOCSIN, 'a loop over an array', ...EMITTERS, ...SIGNALS],
    rounds: 5,
  })),
);
const quick: Cell = {
  row: 'dispatch',
  title: 'Quick: 32 signals in turn, 3 receivers',
  unit: 'ns a send',
  params: { signals: 32, receivers: 3 },
  contenders: ['tocsin', 'a loop over an array', 'node:events', 'eventemitter3', 'nanoevents'],
  rounds: 9,
  quick: true,
};

const keyed = [1000, 100_000].map((senders): Cell => ({
  row: 'keyed',
  title: `2. ${plural(senders, 'sender')} with a receiver each, three for any sender`,
  unit: 'ns a send',
  params: { senders },
  contenders: [
    ...TOCSIN,
    'a look-up in a WeakMap',
    'node:events, one for each sender',
    'eventemitter3, one for each sender',
    'nanoevents, one for each sender',
    ...(senders > 1000 ? [] : ['node:events, filtering', 'eventemitter3, filtering', 'nanoevents, filtering']),
  ],
  rounds: 5,
}));
const quickKeyed: Cell = {
  row: 'keyed',
  title: 'Quick: 1,000 senders',
  unit: 'ns a send',
  params: { senders: 1000 },
  contenders: ['tocsin', 'node:events, one for each sender', 'eventemitter3, one for each sender'],
  rounds: 9,
  quick: true,
};

const collecting: Cell = {
  row: 'collecting',
  title: '3. Ten answers, with who gave them',
  unit: 'ns a send',
  params: {},
  contenders: [...TOCSIN, 'a loop that makes pairs', 'typed-signals, CollectorArray'],
  rounds: 7,
};
const robust: Cell = {
  row: 'robust',
  title: '4. One of ten receivers throws',
  unit: 'ns a send',
  params: {},
  contenders: [...TOCSIN, 'a loop of try and catch that makes outcomes', '@lumino/signaling'],
  rounds: 7,
};
const async = [false, true].flatMap((serial) =>
  [1, 10].map((receivers): Cell => ({
    row: 'async',
    title: `5. ${plural(receivers, 'async receiver')}${receivers === 1 ? '' : serial ? ', one after the other' : ', all at once'}${receivers === 1 && serial ? ', serial' : ''}`,
    unit: 'ns a send',
    params: { receivers, serial },
    contenders: [...TOCSIN, 'a loop of promises', 'emittery', 'hookable', 'tapable', 'mini-signals'],
    rounds: 5,
  })),
);
const churn = [10, 1000, 100_000].map((connections): Cell => ({
  row: 'churn',
  title: `6. Connect one, disconnect the oldest, with ${plural(connections, 'connection')}`,
  unit: 'ns for both',
  params: { connections },
  contenders: [
    ...TOCSIN,
    'a Map',
    'tocsin, with owners',
    'tocsin, with one owner',
    'tocsin, weak',
    'tocsin, with uids',
    'tocsin, on one AbortSignal',
    'tocsin, keyed by objects',
    'tocsin, keyed by strings',
    'node:events',
    'eventemitter3',
    'mitt',
    'nanoevents',
    '@lumino/signaling',
    'typed-signals',
  ],
  rounds: 3,
}));
const quickChurn: Cell = {
  row: 'churn',
  title: 'Quick: churn with 1,000 connections',
  unit: 'ns for both',
  params: { connections: 1000 },
  contenders: ['tocsin', 'a Map', 'tocsin, with owners'],
  rounds: 9,
  quick: true,
};

const pair =
  (columns: readonly [string, string], names: readonly string[]) =>
  (measure: (contender: string) => unknown): string => {
    const rows = names.map((name) => {
      const [one, other] = measure(name) as [number, number];
      return `| ${name} | ${one.toFixed(1)} | ${other.toFixed(1)} |`;
    });
    return `| | ${columns.join(' | ')} |\n|---|---:|---:|\n${rows.join('\n')}`;
  };
const printedRow = (row: string, title: string, print: NonNullable<Cell['print']>): Cell => ({
  row,
  title,
  unit: '',
  params: {},
  contenders: [],
  rounds: 1,
  print,
});

const retained = printedRow(
  'retained',
  '7. What stays behind of 100,000 that were collected, bytes each',
  pair(
    ['of a first batch', 'more after a second'],
    [
      'owners',
      'owners whose receivers close over them',
      'senders',
      'senders with an owner each',
      'senders on one AbortSignal',
      'weak receivers',
      'a WeakMap and a Set of WeakRefs, swept by hand',
    ],
  ),
);
const bytes = printedRow(
  'bytes',
  '8. Bytes of a connection',
  pair(
    ['connected', 'more once its sender has sent'],
    [
      'strong',
      'keyed by an object',
      'keyed by a string',
      'with an owner',
      'weak',
      'with a uid',
      'with a priority',
      'on one AbortSignal',
      'node:events',
      'eventemitter3',
      'a Map',
    ],
  ),
);
const save = printedRow('save', '9. A save with TypeORM on sql.js, divided by one without the adapter', (measure) => {
  const rows = ['nobody listens', 'some listen'].flatMap((name) => measure(name)) as {
    kind: string;
    mean: number;
    interval: number;
    microseconds: number;
    queries: number;
    heard: number;
  }[];
  const lines = rows.map(
    ({ kind, mean, interval, microseconds, queries, heard }) =>
      `| ${kind} | ${mean.toFixed(3)} | ± ${interval.toFixed(3)} | ${microseconds.toFixed(0)} | ${queries.toFixed(2)} | ${heard.toFixed(1)} |`,
  );
  return `| | ratio | 95 % | µs | queries | receivers called |\n|---|---:|---:|---:|---:|---:|\n${lines.join('\n')}`;
});
const ORMS = ['TypeORM', 'Mongoose', 'Prisma', 'Sequelize', 'Drizzle', 'MikroORM', 'Kysely', 'Objection'];
const idle = printedRow(
  'idle',
  '13. A save with an adapter attached while nobody listens, ÷ the bare ORM',
  (measure) => {
    const lines = ORMS.map((orm) => {
      const { attached, again, microseconds } = measure(orm) as Record<
        'attached' | 'again',
        { mean: number; interval: number }
      > & { microseconds: number };
      const ratio = ({ mean, interval }: typeof attached): string => `${mean.toFixed(3)} ± ${interval.toFixed(3)}`;
      return `| ${orm} | ${ratio(attached)} | ${ratio(again)} | ${microseconds.toFixed(0)} |`;
    });
    return `| | attached | bare again | µs, bare |\n|---|---:|---:|---:|\n${lines.join('\n')}`;
  },
);
const imports: Cell = {
  row: 'imports',
  title: '10. Import',
  unit: 'ms',
  params: {},
  contenders: [
    'node:events',
    'tocsin, import',
    'tocsin, require of CommonJS',
    'eventemitter3, import',
    'eventemitter3, require',
    'mitt, import',
    'nanoevents, import',
    'emittery, import',
    'hookable, import',
    'tseep, require',
    'tapable, require',
    '@lumino/signaling, require',
    'mini-signals, require',
    'typed-signals, require',
    'js-signals, require',
    'ste-events, require',
    'rxjs, require',
  ],
  rounds: 11,
};
const allocation = printedRow('allocation', '11. Bytes that a send allocates', (measure) => {
  const names = [
    'no receiver',
    'one receiver',
    'ten receivers',
    'ten receivers of one sender',
    'ten receivers with a priority',
    'one receiver that answers',
  ];
  return `| | bytes |\n|---|---:|\n${names.map((name) => `| ${name} | ${(measure(name) as number).toFixed(2)} |`).join('\n')}`;
});

const sizes = printedRow('sizes', '12. Size in a bundle, minified and compressed', (measure) => {
  const names = [
    'tocsin, { Signal }',
    'tocsin, { Signal, receiver, postSave }',
    'eventemitter3',
    'mitt',
    'nanoevents',
    'tseep',
    'emittery',
    'hookable',
    'tapable',
    '@lumino/signaling',
    'mini-signals',
    'typed-signals',
    'js-signals',
    'ste-events',
    'rxjs Subject',
  ];
  return `| | bytes |\n|---|---:|\n${names.map((name) => `| ${name} | ${String(measure(name))} |`).join('\n')}`;
});

export const CELLS: readonly Cell[] = [
  ...dispatch,
  ...keyed,
  collecting,
  robust,
  ...async,
  ...churn,
  retained,
  bytes,
  save,
  idle,
  imports,
  allocation,
  sizes,
  quick,
  quickKeyed,
  quickChurn,
];

/** A place in the app. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A stack that was taken and not read yet: reading it is what costs. */
export interface Stack {
  /** Read as V8's call sites, which name the files that run, whatever source maps say of them. */
  readonly sites: { readonly stack?: unknown };
  /** Read as text, which source maps lead to what a person has written. */
  readonly text: { readonly stack?: unknown };
}

/** What is used of V8's call sites. */
interface CallSite {
  getFileName(): string | null | undefined;
}

/** Where a call of the app stands, in code that runs and in code that was written. */
interface Frame {
  /** The file that runs; `''` where the runtime does not tell. */
  readonly running: string;
  /** The line of the stack, as the runtime prints it. */
  readonly line: string;
  readonly origin: Origin | undefined;
}

/** The stack of the caller. Never throws, though an app may have frozen `Error`. */
export function stackHere(): Stack {
  const limit = replace('stackTraceLimit', 50);
  try {
    return { sites: new Error(), text: new Error() };
  } finally {
    replace('stackTraceLimit', limit);
  }
}

/** The first line of a stack that is the app's: neither in a package, nor of the runtime, nor of this library. */
export function originOf(stack: Stack): Origin | undefined {
  return appFrame(stack)?.origin;
}

/** The line of the app that is calling now, as a stack prints it; `''` if there is none. Never throws. */
export function callSite(): string {
  return appFrame(stackHere())?.line ?? '';
}

function appFrame(stack: Stack): Frame | undefined {
  const [own, ...frames] = framesOf(stack);
  if (own === undefined) return undefined;
  const library = folderOf(own.running || (own.origin?.file ?? ''));
  const writtenIn = folderOf(own.origin?.file ?? '');
  return frames.find(({ running, origin }) => {
    if (origin === undefined || isForeign(running) || isForeign(origin.file)) return false;
    if (running === '' || !running.startsWith(library)) return !origin.file.startsWith(library);
    // One bundle may hold the library and the app: then only what was written tells them apart.
    return origin.file !== running && !origin.file.startsWith(writtenIn) && !origin.file.startsWith(library);
  });
}

function framesOf({ sites, text }: Stack): Frame[] {
  const running = callSitesOf(sites);
  const lines = textOf(text)
    .split('\n')
    .filter((line) => /^\s*at |@/.test(line));
  return lines.map((line, index) => ({
    running: pathOf(running[index]?.getFileName() ?? ''),
    line: line.trim(),
    origin: originIn(line),
  }));
}

/** An app's `Error.prepareStackTrace` may give anything, or throw. */
function textOf(error: { readonly stack?: unknown }): string {
  try {
    const { stack } = error;
    return typeof stack === 'string' ? stack : '';
  } catch {
    return '';
  }
}

function callSitesOf(error: { readonly stack?: unknown }): readonly CallSite[] {
  const prepare = replace('prepareStackTrace', (_error: unknown, sites: readonly CallSite[]) => sites);
  try {
    const { stack } = error;
    return Array.isArray(stack) ? (stack as CallSite[]) : [];
  } catch {
    return [];
  } finally {
    replace('prepareStackTrace', prepare);
  }
}

/** Set a property of `Error`, if it can be; returns what it was. */
function replace(property: 'stackTraceLimit' | 'prepareStackTrace', value: unknown): unknown {
  const holder = Error as unknown as Record<string, unknown>;
  const before = holder[property];
  try {
    if (value === undefined) Reflect.deleteProperty(holder, property);
    else holder[property] = value;
  } catch {
    // Frozen: the stack is then as long as it is.
  }
  return before;
}

function originIn(line: string): Origin | undefined {
  const [end = '', row = '', column = ''] = /:(\d+):(\d+)\)?$/.exec(line) ?? [];
  // An expression that looked for the place, too, would take quadratic time in the length of a function's name.
  const place =
    end === ''
      ? ''
      : (line
          .slice(0, -end.length)
          .split(/[\s()@]/)
          .at(-1) ?? '');
  return place === '' ? undefined : { file: pathOf(place), line: Number(row), column: Number(column) };
}

function pathOf(file: string): string {
  return file.replace(/^file:\/\//, '');
}

function isForeign(file: string): boolean {
  return /node_modules|^node:|^internal\//.test(file);
}

/** The folder of this library, by the place of a line in it. */
function folderOf(file: string): string {
  return file.replace(/((core|orm|testing|tracing)[/\\])?[^/\\]*$/, '');
}

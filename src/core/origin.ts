/** A place in the app. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A stack that was taken and not read yet: reading it is what costs. */
export interface Stack {
  readonly stack?: string;
}

/** The stack of the caller. */
export function stackHere(): Stack {
  const holder = Error as { stackTraceLimit?: number };
  const { stackTraceLimit } = holder;
  holder.stackTraceLimit = 30;
  const stack = new Error('here');
  if (stackTraceLimit !== undefined) holder.stackTraceLimit = stackTraceLimit;
  return stack;
}

/** The first line of a stack that is the app's: neither in a package, nor of the runtime, nor of this library. */
export function originOf({ stack = '' }: Stack): Origin | undefined {
  const places = stack.split('\n').flatMap((line) => placeIn(line) ?? []);
  // the innermost are this library's: stackHere(), a tool, what asks the tools, and connect(); source maps may lead
  // some of them to its sources
  const library = places
    .slice(0, 6)
    .map(({ file }) => libraryOf(file))
    .filter((folder) => folder !== '');
  return places.find(
    ({ file }) => !/node_modules|^node:|^internal\//.test(file) && !library.some((folder) => file.startsWith(folder)),
  );
}

function placeIn(line: string): Origin | undefined {
  const [, place = '', row = '', column = ''] = /([^\s()@]+):(\d+):(\d+)\)?$/.exec(line) ?? [];
  if (place === '') return undefined;
  return { file: place.replace(/^file:\/\//, ''), line: Number(row), column: Number(column) };
}

/** The folder of this library, by the place of a line in it. */
function libraryOf(file: string): string {
  return file.replace(/((core|testing|tracing)[/\\])?[^/\\]*$/, '');
}

#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { printableLines } from '../core/describe.ts';
import { inspect, type SignalListing } from './inspect.ts';
import { recordOrigins } from './origins.ts';
import { toHtml } from './html.ts';
import { toMermaid } from './mermaid.ts';
import { placeOf, toText, traitsOf } from './text.ts';

const USAGE = `Usage: tocsin inspect <module> [--html | --mermaid | --json]

Imports the module that connects your receivers, and shows who listens to which signal.
TypeScript: node --import tsx node_modules/.bin/tocsin inspect src/signals.ts`;

void main(process.argv.slice(2)).then((code) => {
  // What the module has opened, a server or a pool, would keep the command waiting; what is written must get out first.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
});

/** The exit code: 0, 1 if the module cannot be inspected, 2 for a wrong call. */
async function main(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        html: { type: 'boolean' },
        mermaid: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return fail(`${(error as Error).message}\n\n${USAGE}`, 2);
  }
  const {
    values,
    positionals: [command, module, ...more],
  } = parsed;
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  if (command !== 'inspect' || module === undefined || more.length > 0) return fail(USAGE, 2);

  const path = resolve(module);
  recordOrigins();
  try {
    await import(existsSync(path) ? pathToFileURL(path).href : module);
  } catch (error) {
    return fail(
      `${module} could not be imported: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      1,
    );
  }
  const listings = inspect();
  const heard = listings.filter(({ receivers }) => receivers.length > 0);
  if (heard.length === 0) {
    const named = listings.map(({ name }) => name).join(', ');
    return fail(
      `${module} connects no receivers${named === '' ? ', and has no signals with a name' : ` (the signals: ${named})`}. Name the module that imports your signals files.`,
      1,
    );
  }
  console.log(
    values.html === true
      ? toHtml(listings, { title: `Signals of ${module}` })
      : values.mermaid === true
        ? toMermaid(heard)
        : values.json === true
          ? JSON.stringify(listings.map(plain), null, 2)
          : toText(heard),
  );
  return 0;
}

function fail(message: string, code: number): number {
  console.error(printableLines(message));
  return code;
}

/** A listing without what JSON cannot hold. */
function plain({ name, receivers }: SignalListing): object {
  return {
    signal: name,
    receivers: receivers.map((receiver) => {
      const { name: receiverName, senderName, priority, lifetime, once, afterCommit, subclasses, origin } = receiver;
      return {
        name: receiverName,
        sender: senderName,
        priority,
        lifetime,
        once,
        afterCommit,
        subclasses,
        origin,
        place: placeOf(receiver),
        traits: traitsOf(receiver),
      };
    }),
  };
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { npm } from './tools.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The tarball, as it would be published. */
    tarball: string;
    /** A folder in which npm has installed it, beside what an adapter cannot be loaded without. */
    app: string;
    /** Whether tables in the README are to be written: `--update`. */
    update: boolean;
  }
}

/** The ORMs that adapters import by themselves. */
const NEEDED = ['drizzle-orm@0.45.4', '@mikro-orm/core@7.2.1'];

/** Pack the built package and install it once; the apps of the checks are copies. */
export default function setup({ config, provide }: TestProject): () => void {
  const app = mkdtempSync(join(tmpdir(), 'tocsin-installed-'));
  const [{ filename = '' } = {}] = JSON.parse(npm(['pack', '--json', '--pack-destination', app], resolve('.'))) as {
    filename?: string;
  }[];
  writeFileSync(join(app, 'package.json'), '{ "private": true }');
  npm(['install', '--no-audit', '--no-fund', '--loglevel=error', join(app, filename), ...NEEDED], app);
  provide('tarball', join(app, filename));
  provide('app', app);
  provide('update', config.snapshotOptions.updateSnapshot === 'all');
  return () => {
    rmSync(app, { recursive: true });
  };
}

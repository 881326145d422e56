import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * What users may have installed beside tocsin, in exact versions. It comes from the npm registry and lies outside the
 * project: a `node` in its node_modules would be the one that its scripts run.
 */
const TOOLS = {
  runtimes: {
    node20: `npm:node-${process.platform}-${process.arch}@20.20.2`,
    node22: `npm:node-${process.platform}-${process.arch}@22.23.3`,
    node24: `npm:node-${process.platform}-${process.arch}@24.21.0`,
    node26: `npm:node-${process.platform}-${process.arch}@26.10.0`,
    bun: '1.4.5',
    deno: '2.9.6',
    workerd: '1.20261117.1',
  },
  typescript: {
    'typescript-5.4': 'npm:typescript@5.4.5',
    'typescript-5.6': 'npm:typescript@5.6.3',
    'typescript-5.9': 'npm:typescript@5.9.3',
    'typescript-6.0': 'npm:typescript@6.0.3',
    'typescript-7.0': 'npm:typescript@7.0.2',
  },
  compilers: {
    '@oxc-project/runtime': '0.158.0',
    '@swc/core': '1.16.22',
    esbuild: '0.28.2',
    'oxc-transform': '0.158.0',
    tsx: '4.23.15',
    typescript: '6.0.3',
    vite: '8.3.8',
  },
  jest: { jest: '30.5.2' },
  pnpm: { pnpm: '10.34.8' },
  vitest4: { vite: '8.3.8', vitest: '4.1.12' },
  vitest5: { vite: '8.3.8', vitest: '5.1.1' },
  peers: {
    '@lumino/signaling': '2.1.6',
    'emittery-1': 'npm:emittery@1.2.1',
    'emittery-2': 'npm:emittery@2.2.0',
    eventemitter3: '5.0.4',
    hookable: '6.1.2',
    'mini-signals': '3.0.0',
    mitt: '3.0.1',
    nanoevents: '10.0.0',
    rxjs: '7.8.2',
    signals: '1.0.0',
    'ste-events': '3.0.11',
    tapable: '2.3.4',
    tseep: '1.3.1',
    'typed-signals': '3.0.0',
  },
} as const;

export type ToolGroup = keyof typeof TOOLS;

/** The folder where a group of tools is installed. Takes a while the first time. */
export function installed(group: ToolGroup): string {
  const manifest = JSON.stringify({ private: true, dependencies: TOOLS[group] });
  const key = createHash('sha256').update(manifest).digest('hex').slice(0, 8);
  const folder = join(process.env.TOCSIN_TOOLS ?? join(homedir(), '.cache', 'tocsin'), `${group}-${key}`);
  if (existsSync(folder)) return folder;
  // under its name only when it is complete
  const unfinished = `${folder}.${String(process.pid)}`;
  mkdirSync(unfinished, { recursive: true });
  writeFileSync(join(unfinished, 'package.json'), manifest);
  try {
    npm(['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], unfinished);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

export function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

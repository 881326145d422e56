import { administer, type Server, SERVERS } from './databases.ts';

/**
 * Looks once, before the tests, which servers there are. Without one its tests are left out, and one line says so; with
 * `CI` set, a server that is named and does not answer is a failure.
 */
export default async function setup(): Promise<() => void> {
  const leftOut: string[] = [];
  for (const server of Object.keys(SERVERS) as Server[]) {
    const { variable } = SERVERS[server];
    if (process.env[variable] === undefined) {
      leftOut.push(`${server} (${variable} is not set)`);
      continue;
    }
    try {
      await administer(server, 'select 1');
    } catch (error) {
      if (process.env.CI !== undefined)
        throw new Error(`${variable} names a server that does not answer.`, { cause: error });
      leftOut.push(`${server} (${variable} names a server that does not answer)`);
      Reflect.deleteProperty(process.env, variable);
    }
  }
  return () => {
    if (leftOut.length > 0) console.info(`Left out, for want of a server: ${leftOut.join(', ')}.`);
  };
}

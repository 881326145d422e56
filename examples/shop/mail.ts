import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { outbox } from './places.ts';

// Builds the real message and hands it back. For a real server, give createTransport() its address instead.
const transport = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });

/** Write the message that would be sent to the outbox, as a mail program could open it. */
export async function sendMail(to: { name: string; address: string }, subject: string, text: string): Promise<void> {
  const { message } = await transport.sendMail({ from: 'The shop <shop@example.org>', to, subject, text });
  await mkdir(outbox, { recursive: true });
  await writeFile(join(outbox, `${to.address}.eml`), message);
}

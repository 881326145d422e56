/**
 * Who reacts to what. The app imports this file when it starts; nothing else knows these receivers, and they know
 * nothing of who saves and deletes. They are named functions, so that listings and traces can name them.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { receiver } from 'tocsin';
import { postDelete, postSave, preSave } from 'tocsin/typeorm';
import { Customer, Product, Profile, User } from './entities.ts';
import { sendMail } from './mail.ts';
import { images } from './places.ts';

/** Only once it is certain that there is such a user: a rollback sends no mail. */
export const sendWelcomeMail = receiver(postSave, { sender: User, afterCommit: true })(async function sendWelcomeMail(
  _sender,
  { instance, created },
) {
  if (created)
    await sendMail(
      { name: instance.name, address: instance.email },
      'Welcome',
      `Hello ${instance.name}, good to have you.`,
    );
});

/** What a preSave receiver changes is what gets saved. */
export const capitaliseName = receiver(preSave, { sender: Customer })(function capitaliseName(_sender, { instance }) {
  instance.name = instance.name.replace(/(^|[\s-])\p{Letter}/gu, (initial) => initial.toUpperCase());
});

/** After the commit, for a deletion that is rolled back needs its file again. */
export const deleteImage = receiver(postDelete, { sender: Product, afterCommit: true })(async function deleteImage(
  _sender,
  { instance },
) {
  await rm(join(images, instance.image), { force: true });
});

/** `tx` is the transaction of the user's own save: both rows are kept, or neither. */
export const createProfile = receiver(postSave, { sender: User })(async function createProfile(
  _sender,
  { instance, created, tx },
) {
  if (!created) return;
  if (instance.name === '') throw new Error('A profile needs a nickname');
  await tx.save(tx.create(Profile, { user: instance, nickname: instance.name.toLowerCase() }));
});

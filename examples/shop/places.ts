import { fileURLToPath } from 'node:url';

const place = (name: string): string => fileURLToPath(new URL(`data/${name}`, import.meta.url));

export const data = place('');
export const database = place('shop.sqlite');
export const images = place('images');
export const outbox = place('outbox');
export const page = place('signals.html');

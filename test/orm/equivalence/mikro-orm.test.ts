import { vi } from 'vitest';
import { equivalence } from '../equivalence.ts';
import { mikroOrm } from './mikro-orm.ts';

// MikroORM prints the code that it has made when that is given something impossible.
vi.spyOn(console, 'error').mockImplementation(() => undefined);

equivalence(mikroOrm);

import { equivalence } from '../equivalence.ts';
import { drizzle } from './drizzle.ts';
import { availableEngines } from '../../support/databases.ts';

equivalence(await drizzle('libsql'));
equivalence(await drizzle('PGlite'));
if (availableEngines('postgres').length > 0) equivalence(await drizzle('node-postgres'));

import { equivalence } from '../equivalence.ts';
import { objection } from './objection.ts';

equivalence(objection);

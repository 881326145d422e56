import { equivalence } from '../equivalence.ts';
import { typeorm } from './typeorm.ts';

equivalence(typeorm);

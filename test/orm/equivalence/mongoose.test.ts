import { equivalence } from '../equivalence.ts';
import { mongooseSubject } from './mongoose.ts';

equivalence(mongooseSubject(false));
equivalence(mongooseSubject(true));

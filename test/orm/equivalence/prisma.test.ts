import { equivalence } from '../equivalence.ts';
import { prisma } from './prisma.ts';

equivalence(prisma);

/** Imported before anything connects, so that listings and traces know the lines. */
import { recordOrigins } from 'tocsin/tracing';

recordOrigins();

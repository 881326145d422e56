/**
 * Tests of receivers, and of code that sends: record what is sent, mute receivers, isolate a signal, find what a test
 * has left connected. For any test runner; `tocsin/testing/matchers` has matchers for vitest and jest.
 */
export { expectClean } from './testing/clean.ts';
export { isolate } from './testing/isolate.ts';
export { mockSender, type MockSender } from './testing/mock-sender.ts';
export { mute, type Mute, muteDuring } from './testing/mute.ts';
export { type NextOptions, record, type RecordedSend, type Recording, type RecordOptions } from './testing/record.ts';
export type { SendMethod } from './core/observe.ts';

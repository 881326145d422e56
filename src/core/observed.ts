import * as dispatch from './dispatch.ts';
import { follow } from './observe.ts';
import type { Plan } from './plan.ts';
import type { Registry } from './registry.ts';
import type { AnySignal, Responses } from './types.ts';

/** As the send of that name, with the tools at work looking on. Apart from it, for a send that nobody looks at pays for no closure. */
export function sendObserved(method: 'send' | 'sendRobust', signal: AnySignal, plan: Plan, sender: unknown, args: object): Responses<unknown> {
  const following = follow({ signal, sender, args, method });
  try {
    const responses = dispatch[method](signal, plan, sender, args, following);
    following.returned(responses);
    return responses;
  } catch (error) {
    following.threw(error);
    throw error;
  }
}

/** The same for those that wait. */
export function sendObservedAsync(
  method: 'sendAsync' | 'sendRobustAsync',
  signal: AnySignal,
  registry: Registry,
  sender: unknown,
  args: object,
  options: unknown,
): Promise<Responses<unknown>> {
  const following = follow({ signal, sender, args, method });
  const sending: Promise<Responses<unknown>> = dispatch[method](signal, registry, sender, args, options, following);
  sending.then(
    (responses) => { following.returned(responses); },
    (error: unknown) => { following.threw(error); },
  );
  return sending;
}

/** Whether an error says that MySQL or MariaDB has ended a deadlock: they roll the whole transaction back then. */
export function isDeadlock(error: unknown): boolean {
  const { code, errno } = Object(error) as { code?: unknown; errno?: unknown };
  return code === 'ER_LOCK_DEADLOCK' || errno === 1213;
}

/** A model of Sequelize's that tells when what it saves has been saved. */
import { Model, type SaveOptions } from 'sequelize';

const saves = new Set<Promise<unknown>>();

export class Row extends Model {
  override save(options?: SaveOptions): Promise<this>;
  override save(...args: never[]): Promise<this> {
    const saved = super.save(...args);
    const end = (): void => void saves.delete(ending);
    const ending = saved.then(end, end);
    saves.add(ending);
    return saved;
  }
}

/**
 * A call that saves its rows at once, such as `bulkCreate(…, { individualHooks: true })`, rejects when the first of
 * them fails, and the others go on: which of them are there by then is a matter of time.
 */
export async function savesEnded(): Promise<void> {
  while (saves.size > 0) await Promise.all(saves);
}

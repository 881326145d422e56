/** What a payload says of an insert, before it and after it: everything is new. */
export const INSERTED: {
  readonly raw: false;
  readonly created: true;
  readonly updateFields: null;
  readonly changes: null;
} = Object.freeze({
  raw: false,
  created: true,
  updateFields: null,
  changes: null,
});

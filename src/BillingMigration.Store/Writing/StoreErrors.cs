using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Refusals of writes, in the same words on every backend.</summary>
internal static class StoreErrors
{
    public static StoreException Duplicate(string key) =>
        new(StoreError.DuplicateKey, key, $"There is a row already with this value of the unique key {key}.");

    public static StoreException ParentMissing(string foreignKey, Exception? inner = null) =>
        new(StoreError.ParentMissing, foreignKey, $"The row that the foreign key {foreignKey} refers to is not there, or is being deleted.", inner);

    public static StoreException HasChildren(string foreignKey, Exception? inner = null) =>
        new(StoreError.HasChildren, foreignKey, $"Rows refer to this one by the foreign key {foreignKey}, which does not let it go. Delete them first.", inner);

    public static StoreException Gone(EntityModel model, RowBuffer row) =>
        new(StoreError.Conflict, model.Entity, $"{model.Entity} {model.Describe(row)} is not there any more.");

    public static StoreException Changed(EntityModel model, RowBuffer row) =>
        new(StoreError.Conflict, model.Entity, $"{model.Entity} {model.Describe(row)} was changed since it was read. Read it again, and decide again.");

    public static StoreException Busy(EntityModel model, string row) =>
        new(StoreError.Conflict, model.Entity, $"{model.Entity} {row} is being deleted by another, or billed. Read it again a moment later, and decide again.");

    public static StoreException Twice(EntityModel model, string row) =>
        new(StoreError.NotSupported, model.Entity, $"The unit changes {model.Entity} {row} twice. Put both changes into one.");

    public static MigrationException OutcomeUnknown(string entity, Exception cause) => new(
        "WriteOutcomeUnknown", MigrationErrorKind.Unreachable,
        $"The way to the backend broke while a unit of {entity} was being committed: it is written, or it is not. Read its rows again before it is repeated.", entity, cause);

    public static StoreException TooMany(string entity, int rows, int most) =>
        new(StoreError.TooManyRows, entity, $"The unit changes {rows} items and rows of the control table together, and {most} are the most that DynamoDB writes at once. Divide it.");
}

using BillingMigration.Control;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Refusals of writes, in the same words on every backend.</summary>
internal static class StoreErrors
{
    public const string OutcomeUnknownId = "WriteOutcomeUnknown";
    public const string RouteUnknownId = "RouteUnknown";

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

    public static StoreException Contended(string table, TimeSpan waited) => new(
        StoreError.Conflict, table, $"Other units that change the same rows of {table} were in the way for {waited.TotalSeconds:0} s. Nothing of this one is written. Read the rows again, and decide again.") { HasWaited = true };

    public static MigrationException Throttled(string table, TimeSpan waited, Exception cause) => new(
        "Throttled", MigrationErrorKind.LimitExceeded,
        $"DynamoDB has throttled a unit of {table} for {waited.TotalSeconds:0} s. Nothing of it is written. Give the table more write capacity, or make fewer calls at the same time; then make the call again.",
        table, cause);

    /// <summary>What the source and the definition need so that calls can have keys.</summary>
    public static StoreException NoCallTable(BillingColumns names, Exception? inner = null) => new(
        StoreError.NotSupported, BillingEntity.Call,
        $$"""
        A call with a key is kept as a row of the entity {{BillingEntity.Call}}, and the definition has none whose primary key is {{names.CallKey}} alone, a text with a binary collation. Create its table on the source:
        {{CallTable.Sql(names)}}
        and add the entity to migration.json before the export:
        {{CallTable.Definition(names)}}
        """,
        inner);

    public static StoreException MadeAndGone(string entity) => new(
        StoreError.Conflict, entity, $"The call was made before, and the row of {entity} that it wrote is not there: it was deleted since, or belongs to a large bill run that is not finished yet.");

    public static StoreException KeyOfLargeDeletion(string entity, Exception inner) => new(
        StoreError.NotSupported, entity, $"A deletion of more than 100 items is done in parts on DynamoDB, and takes no key. Nothing is deleted. Delete {entity} without one: repeated, that ends with Conflict when the row is gone.", inner);

    public static StoreException ThereAgain(EntityModel model, RowBuffer row) =>
        new(
            StoreError.Conflict, model.Entity,
            $"{model.Entity} {model.Describe(row)} was deleted, and is there again: its children may be those of the new row. "
            + "Delete those of the former one by hand, then this unit's item in the control table.");

    public static StoreException Twice(EntityModel model, string row) =>
        new(StoreError.NotSupported, model.Entity, $"The unit changes {model.Entity} {row} twice. Put both changes into one.");

    public static MigrationException OutcomeUnknown(string entity, Exception cause) => new(
        OutcomeUnknownId, MigrationErrorKind.Unreachable,
        $"The way to the backend broke while a unit of {entity} was being committed: it is written, or it is not. A call with a key (UnitOfWork.Once) is safe to make again; read the rows of any other again before it is repeated.", entity, cause);

    public static MigrationException RouteUnknown(string table, TimeSpan waited, Exception? cause) => new(
        RouteUnknownId, MigrationErrorKind.Unreachable,
        $"Where calls go cannot be asked: the control table {table} has not answered for {waited.TotalSeconds:0.#} s. Nothing of the call is done. Look at the way to DynamoDB, and make the call again.", table, cause);

    public static MigrationException BackendDraining(Route route, TimeSpan waited) => new(
        "BackendDraining", MigrationErrorKind.Busy,
        $"The backend is being switched since {route.At:u} by {route.Actor}, and the call has waited for {waited.TotalSeconds:0.#} s. Nothing of it is done. Make it again; Switch-BillingBackend finishes a switch that was broken off, or undoes it.", route.Epoch);

    public static MigrationException TooManyWaiting(int most) => new(
        "TooManyCallsWait", MigrationErrorKind.Busy, $"{most} calls wait for the backend to be switched, which is the most that may (RoutingOptions.MostWaiting). Nothing of this one is done. Make it again a moment later.", most);

    public static StoreException TooMany(string entity, int rows, int most) =>
        new(StoreError.TooManyRows, entity, $"The unit changes {rows} items and rows of the control table together, and {most} are the most that DynamoDB writes at once. Divide it.");

    public static StoreException NoKey(EntityModel entity) => new(
        StoreError.ValueInvalid, entity.Entity,
        $"A row of {entity.Entity} has no key: it is made with columns of {string.Join(", ", entity.Definition.Lookups.Values.Select(l => l.Table).Distinct())}, and the row refers to none that is there.");

    public static StoreException TooLargeInAll(string table, Exception cause) => new(
        StoreError.TooManyRows, table, "The rows that the unit changes have more than 4 MB in all, which is the most that DynamoDB writes at once. Nothing of it is written. Divide it.", cause);

    public static StoreException RowTooLarge(string table, Exception cause) => new(
        StoreError.ValueInvalid, table,
        "A row of the unit would be larger than an item may be (400 KB), with its keys and with columns that only other processes know. Nothing of the unit is written. Make the row smaller.", cause);

    public static StoreException BillTooLarge(string entity, long bytes, long most) => new(
        StoreError.TooManyRows, entity,
        $"The row of {entity} has {bytes:N0} bytes, and {most:N0} are the most that one of more than about 100 charges may have when it is made. Nothing is written. Make it without its largest value, and set that afterwards.");

    public static StoreException TooLarge(string entity, long bytes, long most) =>
        new(StoreError.TooManyRows, entity, $"The unit has {bytes:N0} bytes, and {most:N0} are the most that DynamoDB writes at once. Divide it.");
}

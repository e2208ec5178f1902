using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>One change of one row.</summary>
public abstract record StoreChange(string Entity);

/// <param name="Values">By column; columns that are left out have their default, and a key that the source generates is generated.</param>
public sealed record InsertChange(string Entity, IReadOnlyDictionary<string, object?> Values) : StoreChange(Entity);

/// <param name="Read">The row as it was read: it must still be so.</param>
/// <param name="Values">By column; all others stay.</param>
public sealed record UpdateChange(BillingRecord Read, IReadOnlyDictionary<string, object?> Values) : StoreChange(Read.Entity);

/// <param name="Read">The row as it was read: it must still be so.</param>
public sealed record DeleteChange(BillingRecord Read) : StoreChange(Read.Entity);

/// <summary>Adds to a number of a row, whatever the number is by then: neither side reads the row for it, and nobody who adds as well is in the way.</summary>
/// <param name="Key">A value for each column of the primary key.</param>
/// <param name="Column">A DECIMAL or an integer. NULL stays NULL.</param>
/// <param name="By">Added exactly, then rounded as the source rounds.</param>
public sealed record AddChange(string Entity, IReadOnlyDictionary<string, object> Key, string Column, decimal By) : StoreChange(Entity);

/// <summary>The value that a row of the same unit will have, for a key that is generated when it is written.</summary>
/// <param name="Change">Index of the insert in its unit.</param>
public sealed record ValueOf(int Change, string Column);

/// <summary>Changes that are written together or not at all, in their order.</summary>
public sealed record UnitOfWork
{
    public ImmutableArray<StoreChange> Changes { get; init; } = [];

    public UnitOfWork Insert(string entity, IReadOnlyDictionary<string, object?> values) => And(new InsertChange(entity, values));

    public UnitOfWork Update(BillingRecord read, IReadOnlyDictionary<string, object?> values) => And(new UpdateChange(read, values));

    public UnitOfWork Delete(BillingRecord read) => And(new DeleteChange(read));

    /// <summary>There is no record of the row in the answer: it is not read.</summary>
    public UnitOfWork Add(string entity, IReadOnlyDictionary<string, object> key, string column, decimal by) => And(new AddChange(entity, key, column, by));

    private UnitOfWork And(StoreChange change) => this with { Changes = Changes.Add(change) };
}

public static class BillingStoreWrites
{
    /// <summary>Inserts one row.</summary>
    /// <returns>The row as it is stored.</returns>
    public static async Task<BillingRecord> InsertAsync(
        this IBillingStore store, string entity, IReadOnlyDictionary<string, object?> values, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Insert(entity, values), cancellationToken))[0]!;

    /// <summary>Changes one row that is still as it was read.</summary>
    /// <returns>The row as it is stored.</returns>
    public static async Task<BillingRecord> UpdateAsync(
        this IBillingStore store, BillingRecord read, IReadOnlyDictionary<string, object?> values, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Update(read, values), cancellationToken))[0]!;

    /// <summary>Deletes one row that is still as it was read, with what its foreign keys say of its children.</summary>
    public static Task DeleteAsync(this IBillingStore store, BillingRecord read, CancellationToken cancellationToken = default) =>
        store.WriteAsync(new UnitOfWork().Delete(read), cancellationToken);
}

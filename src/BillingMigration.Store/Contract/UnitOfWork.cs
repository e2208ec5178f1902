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
public sealed record AddChange(string Entity, IReadOnlyDictionary<string, object> Key, string Column, decimal By) : StoreChange(Entity)
{
    /// <summary>What would be rounded is refused.</summary>
    internal bool IsExact { get; init; }
}

/// <summary>The value that a row of the same unit will have, for a key that is generated when it is written.</summary>
/// <param name="Change">Index of the insert in its unit.</param>
public sealed record ValueOf(int Change, string Column);

/// <summary>The sum of two columns of the same row, as they are stored.</summary>
internal sealed record SumOf(string One, string Other);

/// <summary>Changes that are written together or not at all, in their order.</summary>
public sealed record UnitOfWork
{
    public ImmutableArray<StoreChange> Changes { get; init; } = [];

    /// <summary>Of the application's own: a unit with it is written once, however often it is passed, and answered alike; null: none. See <see cref="Once"/>.</summary>
    public string? Key { get; init; }

    /// <summary>Names of the columns of <see cref="BillingEntity.Call"/>.</summary>
    internal BillingColumns Names { get; init; } = new();

    /// <summary>The operation that the unit is part of, and what it is for; null: the application has made the unit itself.</summary>
    internal string? Call { get; init; }

    /// <summary>How many of its changes, from the first, a repeated call is answered with; null: all.</summary>
    internal int? Answered { get; init; }

    public UnitOfWork Insert(string entity, IReadOnlyDictionary<string, object?> values) => And(new InsertChange(entity, values));

    public UnitOfWork Update(BillingRecord read, IReadOnlyDictionary<string, object?> values) => And(new UpdateChange(read, values));

    public UnitOfWork Delete(BillingRecord read) => And(new DeleteChange(read));

    /// <summary>There is no record of the row in the answer: it is not read.</summary>
    public UnitOfWork Add(string entity, IReadOnlyDictionary<string, object> key, string column, decimal by) => And(new AddChange(entity, key, column, by));

    /// <summary>
    /// Gives the unit a key of the application's own, which makes it safe to repeat: after <c>WriteOutcomeUnknown</c>, days later, from another machine, on the other backend after a switch. A row of
    /// <see cref="BillingEntity.Call"/> is written with it. A unit whose key is there already is not written again: each of its rows is answered as it is now, null when it was deleted since.
    /// </summary>
    /// <param name="key">Unique among all calls, at most as long as its column; it does not end with a blank.</param>
    /// <param name="columns">Names of the columns of <see cref="BillingEntity.Call"/>; null: those of the documentation.</param>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>. When it is written: the same for a key of another call; <see cref="StoreError.NotSupported"/>: the definition has no entity for calls.</exception>
    public UnitOfWork Once(string key, BillingColumns? columns = null) =>
        this with { Key = KeyedCall.Require(key, columns ?? Names), Names = columns ?? Names };

    /// <summary>Adds, and refuses what the column would round.</summary>
    internal UnitOfWork AddExactly(string entity, IReadOnlyDictionary<string, object> key, string column, decimal by) =>
        And(new AddChange(entity, key, column, by) { IsExact = true });

    private UnitOfWork And(StoreChange change) => this with { Changes = Changes.Add(change) };
}

public static class BillingStoreWrites
{
    /// <summary>Inserts one row.</summary>
    /// <returns>The row as it is stored.</returns>
    public static async Task<BillingRecord> InsertAsync(
        this IBillingStore store, string entity, IReadOnlyDictionary<string, object?> values, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Insert(entity, values), cancellationToken))[0]!;

    /// <inheritdoc cref="InsertAsync(IBillingStore, string, IReadOnlyDictionary{string, object?}, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/> also: the call was made before, and its row was deleted since.</exception>
    public static async Task<BillingRecord> InsertAsync(
        this IBillingStore store, string entity, IReadOnlyDictionary<string, object?> values, string key, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Insert(entity, values).Once(key), cancellationToken))[0] ?? throw StoreErrors.MadeAndGone(entity);

    /// <summary>Changes one row that is still as it was read.</summary>
    /// <returns>The row as it is stored.</returns>
    public static async Task<BillingRecord> UpdateAsync(
        this IBillingStore store, BillingRecord read, IReadOnlyDictionary<string, object?> values, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Update(read, values), cancellationToken))[0]!;

    /// <inheritdoc cref="UpdateAsync(IBillingStore, BillingRecord, IReadOnlyDictionary{string, object?}, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>.</param>
    /// <exception cref="StoreException"><see cref="StoreError.Conflict"/> also: the call was made before, and its row was deleted since.</exception>
    public static async Task<BillingRecord> UpdateAsync(
        this IBillingStore store, BillingRecord read, IReadOnlyDictionary<string, object?> values, string key, CancellationToken cancellationToken = default) =>
        (await store.WriteAsync(new UnitOfWork().Update(read, values).Once(key), cancellationToken))[0] ?? throw StoreErrors.MadeAndGone(read.Entity);

    /// <summary>Deletes one row that is still as it was read, with what its foreign keys say of its children.</summary>
    public static Task DeleteAsync(this IBillingStore store, BillingRecord read, CancellationToken cancellationToken = default) =>
        store.WriteAsync(new UnitOfWork().Delete(read), cancellationToken);

    /// <inheritdoc cref="DeleteAsync(IBillingStore, BillingRecord, CancellationToken)"/>
    /// <param name="key">Makes the call safe to repeat: see <see cref="UnitOfWork.Once"/>.</param>
    public static async Task DeleteAsync(this IBillingStore store, BillingRecord read, string key, CancellationToken cancellationToken = default) =>
        await store.WriteAsync(new UnitOfWork().Delete(read).Once(key), cancellationToken);
}

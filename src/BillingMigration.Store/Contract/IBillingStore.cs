using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>
/// Reads and writes of a billing application. Every backend gives the same answers and refuses the same things, with the same <see cref="StoreException"/>; trouble with the
/// backend itself (network, privileges, throttling) is a <see cref="MigrationException"/>.
/// </summary>
public interface IBillingStore : IAsyncDisposable
{
    /// <summary>The row with this primary key, as it is now; null: there is none.</summary>
    /// <param name="key">A value for each column of the primary key.</param>
    Task<BillingRecord?> GetAsync(string entity, IReadOnlyDictionary<string, object> key, CancellationToken cancellationToken = default);

    /// <summary>Rows for which all conditions hold, as they are read.</summary>
    IAsyncEnumerable<BillingRecord> QueryAsync(RecordQuery query, CancellationToken cancellationToken = default);

    /// <summary>At most <paramref name="size"/> rows of a query, and where to go on.</summary>
    /// <param name="size">1 to 10,000.</param>
    /// <param name="continuation">Of the page before; null: from the start.</param>
    Task<RecordPage> PageAsync(RecordQuery query, int size, string? continuation = null, CancellationToken cancellationToken = default);

    /// <summary>Sums, ordered by their groups. Without groups one row, also when there was none to add up.</summary>
    Task<IReadOnlyList<TotalRow>> TotalAsync(TotalQuery query, CancellationToken cancellationToken = default);

    /// <summary>Writes all changes of a unit, or none.</summary>
    /// <returns>For each change the row as it is stored; null for a delete, and for an addition.</returns>
    Task<ImmutableArray<BillingRecord?>> WriteAsync(UnitOfWork work, CancellationToken cancellationToken = default);
}

/// <summary>Rows by one value.</summary>
public static class BillingStoreLookups
{
    /// <summary>The row whose primary key is one column with this value.</summary>
    public static Task<BillingRecord?> GetAsync(this IBillingStore store, string entity, string column, object value, CancellationToken cancellationToken = default) =>
        store.GetAsync(entity, ImmutableDictionary<string, object>.Empty.Add(column, value), cancellationToken);

    /// <summary>The row with a value in a unique column: an account number, a phone number.</summary>
    public static async Task<BillingRecord?> FindAsync(this IBillingStore store, string entity, string column, object value, CancellationToken cancellationToken = default)
    {
        await foreach (var record in store.QueryAsync(new RecordQuery(entity).Where(column, value), cancellationToken))
        {
            return record;
        }

        return null;
    }

    public static async Task<IReadOnlyList<BillingRecord>> ListAsync(this IBillingStore store, RecordQuery query, CancellationToken cancellationToken = default)
    {
        var records = new List<BillingRecord>();
        await foreach (var record in store.QueryAsync(query, cancellationToken))
        {
            records.Add(record);
        }

        return records;
    }
}

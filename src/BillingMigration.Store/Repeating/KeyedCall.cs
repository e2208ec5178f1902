using System.Collections.Immutable;

namespace BillingMigration.Store;

/// <summary>A call that an application can repeat, whatever became of it: it is made once, and answered from its row of <see cref="BillingEntity.Call"/> ever after.</summary>
/// <param name="get">Reads a row by its primary key, as it is now.</param>
/// <param name="key">Of the application.</param>
internal sealed class KeyedCall(Func<string, IReadOnlyDictionary<string, object>, Task<BillingRecord?>> get, string key, BillingColumns names)
{
    /// <summary>What the call has done.</summary>
    /// <returns>Null: it was not made.</returns>
    /// <exception cref="StoreException"><see cref="StoreError.NotSupported"/>: the definition has no such entity.</exception>
    public async Task<CallAnswer?> FindAsync()
    {
        try
        {
            var found = await get(BillingEntity.Call, ImmutableDictionary<string, object>.Empty.Add(names.CallKey, key));
            return found is null ? null : CallAnswer.Parse(found.Text(names.CallAnswer) ?? "", names);
        }
        catch (StoreException e) when (e is { Error: StoreError.EntityUnknown, Subject: BillingEntity.Call })
        {
            throw StoreErrors.NoCallTable(names, e);
        }
    }

    /// <summary>The answer of a call that was made before: its rows as they are now; null for those that were deleted, and for additions.</summary>
    public async Task<ImmutableArray<BillingRecord?>> ReadAsync(CallAnswer answer)
    {
        var rows = ImmutableArray.CreateBuilder<BillingRecord?>(answer.Rows.Length);
        foreach (var row in answer.Rows)
        {
            rows.Add(row.Change is "insert" or "update" ? await get(row.Entity, row.Key.ToImmutableDictionary(k => k.Key, k => (object)k.Value!)) : null);
        }

        return rows.MoveToImmutable();
    }

    /// <summary>Makes an operation that reads before it writes, unless it was made: what it reads is then changed by itself.</summary>
    /// <param name="call">The operation and what it is for.</param>
    public async Task<ImmutableArray<BillingRecord?>> RunAsync(string call, Func<Task<ImmutableArray<BillingRecord?>>> make)
    {
        if (await FindAsync() is { } before)
        {
            before.Require(call, names);
            return await ReadAsync(before);
        }

        try
        {
            return await make();
        }
        catch (StoreException)
        {
            // The same call was quicker, from elsewhere.
            if (await FindAsync() is not { } meanwhile)
            {
                throw;
            }

            meanwhile.Require(call, names);
            return await ReadAsync(meanwhile);
        }
    }

    /// <summary>A collation that pads with blanks takes a key with a blank at its end for the one without: they would be one key on the source, and two on the table.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>.</exception>
    public static string Require(string key, BillingColumns names) => key.Length > 0 && key[^1] != ' '
        ? key
        : throw new StoreException(StoreError.ValueInvalid, names.CallKey, "The key of a call is empty, or ends with a blank. A GUID that the application keeps with the call will do.");
}

using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Writes a unit as one transaction with MySQL's guarantees: each row is still as it was read, unique values are claimed in the control table, parents are there and stay, children
/// of what is deleted go with it, lose their reference, or forbid it.
/// </summary>
internal sealed class DynamoDbWriter(BillingModel model, IAmazonDynamoDB client, RowFinder finder, LargeUnits large, StoreTimes times, TimeProvider time, IWriteGate? gate) : IDisposable
{
    private static readonly TimeSpan DeletionLasts = TimeSpan.FromMinutes(1);

    private readonly RowParts rowParts = new(model, finder);
    private readonly TransactionSender sender = new(model.Definition, client, time, gate);
    private readonly Dictionary<string, Sequence> sequences = model.Entities.ToDictionary(e => e.Entity, e => new Sequence(client, model.Definition, e.Entity));

    public void Dispose()
    {
        foreach (var sequence in sequences.Values)
        {
            sequence.Dispose();
        }
    }

    /// <returns>The rows as they are stored; null for those deleted.</returns>
    public async Task<ImmutableArray<BillingRecord?>> WriteAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken)
    {
        var epoch = Epoch;
        var rows = await Unsent.RunAsync(gate, () => ResolveAsync(changes, epoch, cancellationToken));
        var deletion = new Deletion(model, client, finder, times, time, DeletionLasts);
        try
        {
            var parts = new TransactionParts(model.Definition, time) { Epoch = epoch };
            var written = rows.Select((row, i) => (changes[i].Model, changes[i].Before, After: row)).ToList();
            await Unsent.RunAsync(gate, async () =>
            {
                await deletion.AddChildrenAsync(written, cancellationToken);
                await rowParts.AddAsync(parts, written, cancellationToken);
                return true;
            });
            deletion.End(parts);
            if (parts.Count > TransactionParts.Most)
            {
                throw StoreErrors.TooMany(changes[0].Model.Entity, parts.Count, TransactionParts.Most);
            }

            await sender.SendAsync(parts, cancellationToken);
            return [.. rows.Select((row, i) => row is null ? null : new BillingRecord(changes[i].Model, row))];
        }
        catch (StoreException e) when (e.Error == StoreError.TooManyRows && changes is [{ After: null }])
        {
            await deletion.AbandonAsync();
            await large.DeleteAsync(changes[0].Model, changes[0].Before!, cancellationToken);
            return [null];
        }
        catch
        {
            await deletion.AbandonAsync();
            throw;
        }
    }

    /// <summary>A bill of all unbilled charges of an account, however many.</summary>
    /// <param name="bill">As it is planned, without its sums.</param>
    /// <returns>Null: there was nothing to bill.</returns>
    public async Task<BillingRecord?> RunBillAsync(PlannedChange bill, BillingColumns columns, CancellationToken cancellationToken)
    {
        var epoch = Epoch;
        var row = (await Unsent.RunAsync(gate, () => ResolveAsync([bill], epoch, cancellationToken)))[0]!;
        return await large.RunBillAsync(bill.Model, row, epoch, columns, cancellationToken);
    }

    /// <summary>Sends what is refused in any case: the next one finds a connection.</summary>
    public async Task RehearseAsync(CancellationToken cancellationToken)
    {
        var parts = new TransactionParts(model.Definition, time);
        parts.AddRehearsal();
        try
        {
            await new TransactionSender(model.Definition, client, time).SendAsync(parts, cancellationToken);
        }
        catch (StoreException e) when (e.Error == StoreError.Conflict)
        {
            // Its condition holds for nothing.
        }
    }

    /// <summary>The keys that are generated under it are good for no other.</summary>
    private long Epoch => gate?.Epoch ?? 0;

    /// <summary>Rows with their generated keys, and with the keys of others that are generated too.</summary>
    private async Task<List<RowBuffer?>> ResolveAsync(ImmutableArray<PlannedChange> changes, long epoch, CancellationToken cancellationToken)
    {
        var rows = new List<RowBuffer?>();
        foreach (var change in changes)
        {
            var row = change.After?.Copy();
            foreach (var (column, value) in change.Pending)
            {
                row!.Take(column, rows[value.Change]!, StoreColumns.Find(changes[value.Change].Model, value.Column));
            }

            if (change.GeneratedKey >= 0)
            {
                var key = await sequences[change.Model.Entity].NextAsync(epoch, cancellationToken);
                row!.Set(change.GeneratedKey, key.ToString(CultureInfo.InvariantCulture));
            }

            rows.Add(row);
        }

        return rows;
    }
}

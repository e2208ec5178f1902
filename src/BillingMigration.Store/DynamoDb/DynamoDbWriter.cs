using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Amazon.DynamoDBv2;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// Writes a unit as one transaction with MySQL's guarantees: each row is still as it was read, unique values are claimed in the control table, parents are there and stay, children
/// of what is deleted go with it, lose their reference, or forbid it.
/// </summary>
internal sealed class DynamoDbWriter(BillingModel model, IAmazonDynamoDB client, RowFinder finder, TimeProvider time) : IDisposable
{
    private const int MostAttempts = 30;
    private static readonly TimeSpan DeletionLasts = TimeSpan.FromMinutes(1);

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
        var rows = await ResolveAsync(changes, cancellationToken);
        var deletion = new Deletion(model, client, finder, time, DeletionLasts);
        try
        {
            var parts = new TransactionParts(model.Definition, time);
            var written = rows.Select((row, i) => (changes[i].Model, changes[i].Before, After: row)).ToList();
            await deletion.AddChildrenAsync(written, cancellationToken);
            await AddAsync(parts, written, cancellationToken);
            deletion.End(parts);
            if (parts.Count > TransactionParts.Most)
            {
                throw StoreErrors.TooMany(changes[0].Model.Entity, parts.Count, TransactionParts.Most);
            }

            await CommitAsync(parts, cancellationToken);
            return [.. rows.Select((row, i) => row is null ? null : new BillingRecord(changes[i].Model, row))];
        }
        catch
        {
            await deletion.AbandonAsync();
            throw;
        }
    }

    /// <summary>Rows with their generated keys, and with the keys of others that are generated too.</summary>
    private async Task<List<RowBuffer?>> ResolveAsync(ImmutableArray<PlannedChange> changes, CancellationToken cancellationToken)
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
                var key = await sequences[change.Model.Entity].NextAsync(cancellationToken);
                row!.Set(change.GeneratedKey, key.ToString(CultureInfo.InvariantCulture));
            }

            rows.Add(row);
        }

        return rows;
    }

    private async Task AddAsync(TransactionParts parts, List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> changes, CancellationToken cancellationToken)
    {
        // Rows first: a parent that is written here is there.
        var items = new List<Dictionary<string, AttributeValue>?>();
        foreach (var (entity, before, after) in changes)
        {
            items.Add(await AddRowAsync(parts, entity, before, after, changes, cancellationToken));
        }

        for (var i = 0; i < changes.Count; i++)
        {
            await AddUniqueAsync(parts, changes[i], items[i], cancellationToken);
            await AddParentsAsync(parts, changes[i], changes, cancellationToken);
        }
    }

    private async Task<Dictionary<string, AttributeValue>?> AddRowAsync(
        TransactionParts parts, EntityModel entity, RowBuffer? before, RowBuffer? after, List<(EntityModel, RowBuffer?, RowBuffer?)> unit, CancellationToken cancellationToken)
    {
        var old = before is null ? null : ItemCodec.Encode(entity, await finder.WithLookupsAsync(entity, before, [], cancellationToken));
        var refusal = before is null ? StoreErrors.Duplicate(UniqueValue.PrimaryKey) : StoreErrors.Changed(entity, before);
        if (after is null)
        {
            parts.Delete(old!, refusal);
            return null;
        }

        var item = ItemCodec.Encode(entity, await finder.WithLookupsAsync(entity, after, unit, cancellationToken));
        var stays = old is not null && old[EntityModel.PartitionKey].S == item[EntityModel.PartitionKey].S && old[EntityModel.SortKey].S == item[EntityModel.SortKey].S;
        parts.Put(item, stays ? old : null, refusal);
        if (old is not null && !stays)
        {
            parts.Delete(old, refusal);
        }

        return item;
    }

    private async Task AddUniqueAsync(
        TransactionParts parts, (EntityModel Model, RowBuffer? Before, RowBuffer? After) change, Dictionary<string, AttributeValue>? item, CancellationToken cancellationToken)
    {
        var old = change.Before is null ? [] : UniqueValue.Of(change.Model, change.Before).ToDictionary(v => v.Constraint);
        var now = change.After is null ? [] : UniqueValue.Of(change.Model, change.After).ToDictionary(v => v.Constraint);
        foreach (var value in old.Values.Where(v => now.GetValueOrDefault(v.Constraint)?.Text != v.Text))
        {
            parts.GiveBack(value);
        }

        foreach (var value in now.Values)
        {
            if (old.GetValueOrDefault(value.Constraint)?.Text == value.Text)
            {
                if (change.Before is not null && value.Constraint == UniqueValue.PrimaryKey && Moves(change))
                {
                    parts.Claim(value, item!, isNew: false);
                }

                continue;
            }

            // Rows that were migrated have no claim.
            if (await finder.FindAsync(change.Model, change.After!, value.Columns, cancellationToken) is not null)
            {
                throw StoreErrors.Duplicate(value.Constraint);
            }

            parts.Claim(value, item!, isNew: true);
        }
    }

    private static bool Moves((EntityModel Model, RowBuffer? Before, RowBuffer? After) change) =>
        change.Before!.Differs(change.After!, change.Model.Keys[0].PartitionKey.Concat(change.Model.Keys[0].SortKey).SelectMany(t => t.RowIndexes).ToImmutableArray());

    private async Task AddParentsAsync(
        TransactionParts parts, (EntityModel Model, RowBuffer? Before, RowBuffer? After) change, List<(EntityModel Model, RowBuffer? Before, RowBuffer? After)> unit, CancellationToken cancellationToken)
    {
        if (change.After is not { } row)
        {
            return;
        }

        foreach (var reference in Reference.Of(model, change.Model).Where(r => r.IsSet(row) && (change.Before is null || change.Before.Differs(row, r.ChildColumns))))
        {
            var refusal = StoreErrors.ParentMissing(reference.Name);
            var wanted = reference.ParentRow(row);
            if (unit.Any(c => c.Model == reference.Parent && c.After is { } written && !written.Differs(wanted, reference.ParentColumns)))
            {
                continue;
            }

            var parent = await finder.FindAsync(reference.Parent, wanted, reference.ParentColumns, cancellationToken) ?? throw refusal;
            var item = ItemCodec.Encode(reference.Parent, await finder.WithLookupsAsync(reference.Parent, parent, [], cancellationToken));
            var names = reference.ParentColumns.Select(c => reference.Parent.Attributes.First(a => a.RowIndex == c).Name);
            parts.RequireParent(ItemCodec.KeyOf(item), names.ToDictionary(n => n, n => item[n]), refusal);
            parts.RequireNoDeletion(reference.Parent, reference.Parent.Describe(parent), refusal);
        }
    }

    private async Task CommitAsync(TransactionParts parts, CancellationToken cancellationToken)
    {
        var request = parts.Request;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await client.TransactWriteItemsAsync(request, cancellationToken);
                return;
            }
            catch (TransactionCanceledException e)
            {
                var failed = e.CancellationReasons.FindIndex(r => r.Code == "ConditionalCheckFailed");
                if (failed >= 0)
                {
                    throw parts.RefusalOf(failed);
                }

                if (attempt == MostAttempts || e.CancellationReasons.Exists(r => r.Code is not ("None" or "TransactionConflict" or "ThrottlingError" or "ProvisionedThroughputExceeded")))
                {
                    var reason = e.CancellationReasons.First(r => r.Code != "None");
                    throw new MigrationException("TargetRefused", MigrationErrorKind.Unexpected, $"DynamoDB cancelled a transaction: {reason.Code}: {reason.Message}", model.Definition.Target.Table, e);
                }
            }
            catch (TransactionInProgressException) when (attempt < MostAttempts)
            {
                // The same token is at work.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 20 * attempt)), time, cancellationToken);
        }
    }
}

using Amazon.DynamoDBv2.Model;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Snapshot;
using BillingMigration.Target;
using BillingMigration.Transfer;

namespace BillingMigration.Integrity;

/// <summary>
/// Makes items what their rows say: each row is read again, and its item written only while it is the one that the check has seen. So a newer change is never
/// undone. Every write stands in the control table, in the same transaction.
/// </summary>
public sealed class ItemRepairer : IAsyncDisposable
{
    private const int Attempts = 10;
    private const string ChangedSince = "The item is not the one that was seen any more. Run Test-MigrationIntegrity again.";

    private readonly MigrationSession session;
    private readonly BillingModel model;
    private readonly SourceLookup source;
    private readonly ItemReader reader;
    private readonly ItemCanonicalizer canonical;
    private readonly ItemBatch batch = new();

    private readonly bool allowDelete;

    private readonly ItemRenewal? renewal;

    /// <param name="cipher">Encrypts what is written; the model's only compares.</param>
    private ItemRepairer(MigrationSession session, BillingModel model, AttributeCipher? cipher, bool allowDelete)
    {
        this.allowDelete = allowDelete;
        renewal = cipher is null ? null : new ItemRenewal(session.Definition, cipher);
        this.session = session;
        this.model = model;
        source = new SourceLookup(session, model.Entities);
        reader = new ItemReader(session.Target, session.Definition.Target.Table, new TransferMetrics(), session.Retry, session.Time);
        canonical = new ItemCanonicalizer(model.Entities);
    }

    /// <exception cref="MigrationException">The definition does not fit the source or the snapshot.</exception>
    /// <param name="allowDelete">Items of the migration's entities that have no row are deleted. Others never are.</param>
    public static async Task<ItemRepairer> OpenAsync(MigrationSession session, bool allowDelete, CancellationToken cancellationToken)
    {
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var scope = await SnapshotScope.BindForComparisonAsync(session, new SnapshotOptions(), connection, cancellationToken);
        (await session.Control.FindRouteAsync(cancellationToken)).RequireSource("A repair of items");
        var run = await session.Control.FindSnapshotAsync(cancellationToken);
        return run is null ? throw IntegrityErrors.SnapshotIncomplete(session.Definition.Name, run)
            : new ItemRepairer(session, SnapshotErrors.RequireModel(run, scope.Model), await session.CipherAsync(cancellationToken), allowDelete);
    }

    /// <summary>Repairs one difference; not for two at a time.</summary>
    public async Task<RepairedItem> RepairAsync(ItemDifference difference, CancellationToken cancellationToken)
    {
        if (difference.PartitionKey.Length == 0)
        {
            return Result(difference, RepairAction.None, RepairOutcome.RowRefused, difference.Cause);
        }

        var entity = EntityOf(difference);
        if (entity < 0)
        {
            return Result(difference, RepairAction.None, RepairOutcome.NotOfTheMigration, "The item names no entity of the definition, so it is not this migration's to delete. Find out who has written it.");
        }

        (await session.Control.FindRouteAsync(cancellationToken)).RequireSource("A repair of items");
        var seen = difference.Seen;
        var action = RepairAction.None;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var now = await ReadAsync(difference, entity, cancellationToken);
            if (now.IsEqual)
            {
                return Result(difference, action, action == RepairAction.None ? RepairOutcome.AlreadyEqual : RepairOutcome.Repaired, null);
            }

            if (now.Seen != seen)
            {
                return Result(difference, action, RepairOutcome.ChangedSince, ChangedSince);
            }

            if (now.Expected is null && !allowDelete)
            {
                return Result(difference, action, RepairOutcome.DeleteNotAllowed, "The item has no row. To delete it, run Repair-BillingItem with -AllowDelete.");
            }

            // Written or not, it is read again: the row may have changed since, and its change may have been written before this.
            if (await TryWriteAsync(difference, now, cancellationToken))
            {
                action = now.Expected is null ? RepairAction.Delete : RepairAction.Put;
                seen = now.Expected is null ? null : EntityDigest.Of(now.Expected);
            }
        }

        return Result(difference, action, RepairOutcome.ChangedSince, ChangedSince);
    }

    public async ValueTask DisposeAsync()
    {
        reader.Dispose();
        batch.Dispose();
        await source.DisposeAsync();
    }

    /// <param name="Raw">The item as DynamoDB returned it; null: there is none.</param>
    private sealed record Sides(byte[]? Expected, byte[]? Actual, Dictionary<string, AttributeValue>? Raw)
    {
        public UInt128? Seen => Actual is null ? null : EntityDigest.Of(Actual);

        public bool IsEqual => Expected is null ? Actual is null : Actual is not null && Expected.AsSpan().SequenceEqual(Actual);
    }

    private static RepairedItem Result(ItemDifference of, RepairAction action, RepairOutcome outcome, string? reason) =>
        new(of.Entity, of.Key, of.PartitionKey, of.SortKey, action, outcome, reason);

    private int EntityOf(ItemDifference difference)
    {
        for (var i = 0; i < model.Entities.Length; i++)
        {
            if (model.Entities[i].Entity == difference.Entity)
            {
                return i;
            }
        }

        return -1;
    }

    private async Task<Sides> ReadAsync(ItemDifference difference, int entity, CancellationToken cancellationToken)
    {
        var key = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(new { pk = new { S = difference.PartitionKey }, sk = new { S = difference.SortKey } });
        byte[]? expected = null;
        if (entity >= 0 && difference.PrimaryKey is { } primaryKey)
        {
            var row = RowIdentity.Of(model.Entities[entity], primaryKey);
            var found = await source.ReadAsync(entity, [row], cancellationToken);
            expected = found.Values.FirstOrDefault()?.Item;
        }

        // The row may belong under another key than this one.
        expected = expected is not null && IsAt(expected, difference) ? expected : null;
        var items = await reader.GetAsync([key], cancellationToken);
        if (items.Count == 0)
        {
            return new Sides(expected, null, null);
        }

        batch.Clear();
        canonical.Append(items[0].Span, batch);
        return new Sides(expected, batch.Item(0).ToArray(), ItemImage.Parse(items[0]));
    }

    private static bool IsAt(byte[] item, ItemDifference difference)
    {
        var image = ItemImage.Parse(item);
        return image[EntityModel.PartitionKey].S == difference.PartitionKey && image[EntityModel.SortKey].S == difference.SortKey;
    }

    private async Task<bool> TryWriteAsync(ItemDifference difference, Sides now, CancellationToken cancellationToken)
    {
        var table = session.Definition.Target.Table;
        var image = now.Expected is null ? null : Current(ItemImage.Parse(now.Expected));
        var (expression, names, values) = ItemImage.IsStill(now.Raw, image?.Keys ?? Enumerable.Empty<string>());
        var write = image is null
            ? new TransactWriteItem
            {
                Delete = new Delete
                {
                    TableName = table,
                    Key = new() { [EntityModel.PartitionKey] = now.Raw![EntityModel.PartitionKey], [EntityModel.SortKey] = now.Raw[EntityModel.SortKey] },
                    ConditionExpression = expression,
                    ExpressionAttributeNames = names,
                    ExpressionAttributeValues = values,
                },
            }
            : new TransactWriteItem
            {
                Put = new Put { TableName = table, Item = image, ConditionExpression = expression, ExpressionAttributeNames = names, ExpressionAttributeValues = values },
            };
        var at = session.Time.GetUtcNow();
        var record = new RepairRecord
        {
            Id = RepairItem.NewId(at),
            Entity = difference.Entity,
            Key = difference.Key,
            PartitionKey = difference.PartitionKey,
            SortKey = difference.SortKey,
            Action = image is null ? RepairAction.Delete : RepairAction.Put,
            Attributes = [.. difference.Attributes.Select(a => a.Name)],
            Position = await source.PositionAsync(cancellationToken),
            Before = Hex(now.Seen),
            After = now.Expected is null ? null : Hex(EntityDigest.Of(now.Expected)),
            By = LeaseHolder.Current.ToString(),
            At = at,
        };
        return await session.Control.TryRepairAsync(write, record, cancellationToken);
    }

    private Dictionary<string, AttributeValue> Current(Dictionary<string, AttributeValue> image)
    {
        foreach (var (name, value) in renewal?.Of(image).Values ?? [])
        {
            image[name] = value;
        }

        return image;
    }

    private static string? Hex(UInt128? digest) => digest?.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);
}

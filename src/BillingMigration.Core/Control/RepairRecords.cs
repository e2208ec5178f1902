using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Source;

namespace BillingMigration.Control;

public enum RepairAction
{
    /// <summary>Nothing was written.</summary>
    None,

    /// <summary>The row was copied again.</summary>
    Put,

    /// <summary>The item was deleted.</summary>
    Delete,
}

/// <summary>One repair as the control table keeps it: who wrote what, when and why, without any value.</summary>
public sealed record RepairRecord
{
    /// <summary>Sorts by time.</summary>
    public required string Id { get; init; }

    public required string Entity { get; init; }

    /// <summary>Primary key of the row; empty when the item told of none.</summary>
    public required string Key { get; init; }

    public required string PartitionKey { get; init; }

    public required string SortKey { get; init; }

    public required RepairAction Action { get; init; }

    /// <summary>Names of the attributes that differed.</summary>
    public required ImmutableArray<string> Attributes { get; init; }

    /// <summary>Position of the source at which the row was read.</summary>
    public required SourcePosition Position { get; init; }

    /// <summary>Digest of the item before; null: there was none.</summary>
    public string? Before { get; init; }

    /// <summary>Digest of the item after; null: there is none.</summary>
    public string? After { get; init; }

    /// <summary>Process, account and machine.</summary>
    public required string By { get; init; }

    public required DateTimeOffset At { get; init; }
}

/// <summary><c>REPAIR#{id}</c>: written in one transaction with the repair itself.</summary>
internal static class RepairItem
{
    public const string Prefix = "REPAIR#";

    private const string Kind = "repair";
    private const int Format = 1;

    public static string NewId(DateTimeOffset now) => now.UtcDateTime.ToString("yyyyMMdd'T'HHmmssfff", CultureInfo.InvariantCulture) + "-" + Guid.NewGuid().ToString("N")[..12];

    public static Dictionary<string, AttributeValue> ToItem(string pk, RepairRecord repair) => new ControlItemBuilder(pk, Prefix + repair.Id, Kind, Format)
        .Set("id", repair.Id)
        .Set("entity", repair.Entity)
        .Set("key", repair.Key)
        .Set("itemPk", repair.PartitionKey)
        .Set("itemSk", repair.SortKey)
        .Set("action", repair.Action.ToString())
        .Set("attributes", (ImmutableArray<string>?)repair.Attributes)
        .Set("position", ControlItemBuilder.Position(repair.Position))
        .Set("before", repair.Before)
        .Set("after", repair.After)
        .Set("by", repair.By)
        .Set("at", ControlItemBuilder.Time(repair.At))
        .Build();

    public static RepairRecord FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        return new RepairRecord
        {
            Id = item.String("id"),
            Entity = item.String("entity"),
            Key = item.String("key"),
            PartitionKey = item.String("itemPk"),
            SortKey = item.String("itemSk"),
            Action = item.Enum<RepairAction>("action"),
            Attributes = item.OptionalTexts("attributes") ?? [],
            Position = item.Position("position"),
            Before = item.OptionalString("before"),
            After = item.OptionalString("after"),
            By = item.String("by"),
            At = item.Time("at"),
        };
    }
}

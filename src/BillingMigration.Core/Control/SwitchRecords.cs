using System.Collections.Immutable;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Source;

namespace BillingMigration.Control;

/// <summary>How the source is kept from taking writes that do not come through a routed store.</summary>
public enum SourceFence
{
    /// <summary><c>super_read_only</c> on MySQL, <c>read_only</c> on MariaDB. Needs SYSTEM_VARIABLES_ADMIN, or READ_ONLY ADMIN on MariaDB.</summary>
    ReadOnly,

    /// <summary>The accounts of the applications are locked and their connections ended. Needs CREATE USER and CONNECTION_ADMIN, or CONNECTION ADMIN on MariaDB.</summary>
    AccountLock,

    /// <summary>Nothing: every application goes through a routed store, whose calls are waited for.</summary>
    None,
}

/// <summary>A step of a switch, as it was made.</summary>
public sealed record SwitchStep(string Name, DateTimeOffset At, TimeSpan Took);

/// <summary>The last switch: what it was to do, what it has done to the source, and how it ended.</summary>
public sealed record SwitchRecord
{
    public required string Id { get; init; }

    public required StoreBackend To { get; init; }

    public required SourceFence Fence { get; init; }

    /// <summary>Accounts to lock, as <c>user@host</c>.</summary>
    public ImmutableArray<string> Accounts { get; init; } = [];

    public required string Actor { get; init; }

    public required string Reason { get; init; }

    /// <summary>Gates that were closed and passed over.</summary>
    public ImmutableArray<string> Forced { get; init; } = [];

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Where the source stood when nothing was written to it any more; null: it has not come so far.</summary>
    public SourcePosition? FencePosition { get; init; }

    public ImmutableArray<SwitchStep> Steps { get; init; } = [];

    /// <summary>How long applications' calls had to wait; null: they did not.</summary>
    public TimeSpan? Stall { get; init; }

    /// <summary>How it ended; null: it is under way, or was broken off.</summary>
    public string? Outcome { get; init; }

    internal const string Switched = "Switched";
    internal const string BackedOut = "BackedOut";
}

/// <summary><c>SWITCH</c>: the last one; <c>SWITCH#{time}-{id}</c>: each that there was.</summary>
internal static class SwitchItem
{
    public const string SortKey = "SWITCH";

    private const string Kind = "switch";
    private const int Format = 1;

    public static string HistorySortKey(SwitchRecord record) => $"{SortKey}#{record.StartedAt.UtcDateTime:yyyyMMdd'T'HHmmss.fff}-{record.Id}";

    public static Dictionary<string, AttributeValue> ToItem(string pk, string sk, SwitchRecord record) => new ControlItemBuilder(pk, sk, Kind, Format)
        .Set("id", record.Id)
        .Set("to", record.To.ToString())
        .Set("fence", record.Fence.ToString())
        .Set("accounts", record.Accounts)
        .Set("actor", record.Actor)
        .Set("reason", record.Reason)
        .Set("forced", record.Forced)
        .Set("startedAt", ControlItemBuilder.Time(record.StartedAt))
        .Set("fencePosition", record.FencePosition is { } position ? ControlItemBuilder.Position(position) : null)
        .Set("steps", (ImmutableArray<string>?)[.. record.Steps.Select(s => s.Name)])
        .Set("stepTimes", (ImmutableArray<string>?)[.. record.Steps.Select(s => s.At.UtcDateTime.ToString("O", System.Globalization.CultureInfo.InvariantCulture))])
        .Set("stepMs", (ImmutableArray<string>?)[.. record.Steps.Select(s => ((long)s.Took.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture))])
        .Set("stallMs", record.Stall is { } stall ? ControlItemBuilder.Number((long)stall.TotalMilliseconds) : null)
        .Set("outcome", record.Outcome)
        .Build();

    public static SwitchRecord FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        var (names, times, took) = (Texts("steps"), Texts("stepTimes"), Texts("stepMs"));
        return new SwitchRecord
        {
            Id = item.String("id"),
            To = item.Enum<StoreBackend>("to"),
            Fence = item.Enum<SourceFence>("fence"),
            Accounts = Texts("accounts"),
            Actor = item.String("actor"),
            Reason = item.String("reason"),
            Forced = Texts("forced"),
            StartedAt = item.Time("startedAt"),
            FencePosition = item.OptionalPosition("fencePosition"),
            Steps = [.. names.Select((name, i) => new SwitchStep(name, DateTimeOffset.Parse(times[i], System.Globalization.CultureInfo.InvariantCulture), TimeSpan.FromMilliseconds(long.Parse(took[i], System.Globalization.CultureInfo.InvariantCulture))))],
            Stall = item.OptionalLong("stallMs") is { } stall ? TimeSpan.FromMilliseconds(stall) : null,
            Outcome = item.OptionalString("outcome"),
        };

        ImmutableArray<string> Texts(string name) => item.OptionalTexts(name) ?? [];
    }
}

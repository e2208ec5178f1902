using Amazon.DynamoDBv2.Model;

namespace BillingMigration.Control;

/// <summary>
/// <c>LEASE#{job}</c>: who may do the job. The item is never deleted, so that its epoch grows with every holder; a lease that is free has no
/// <see cref="Holder"/>.
/// </summary>
/// <param name="Epoch">Number of acquisitions so far: what a late writer's checkpoint is refused by.</param>
/// <param name="Version">Renewed at each renewal: a version that stands still is a holder that does not renew.</param>
/// <param name="Token">Identity of the acquisition.</param>
/// <param name="Duration">How long a version must stand still before the lease may be taken.</param>
internal sealed record LeaseItem(string Job, long Epoch, string Version, string Token, TimeSpan Duration, DateTimeOffset AcquiredAt, LeaseHolder? Holder)
{
    public const string EpochName = "epoch";
    public const string VersionName = "version";
    public const string TokenName = "token";
    public const string HolderName = "holder";
    private const string Kind = "lease";
    private const int Format = 1;

    public static string SortKey(string job) => $"LEASE#{job}";

    public Dictionary<string, AttributeValue> ToItem(string pk) => new ControlItemBuilder(pk, SortKey(Job), Kind, Format)
        .Set("job", Job)
        .Set(EpochName, Epoch)
        .Set(VersionName, Version)
        .Set(TokenName, Token)
        .Set("durationMs", (long)Duration.TotalMilliseconds)
        .Set("acquiredAt", ControlItemBuilder.Time(AcquiredAt))
        .Set(HolderName, Holder?.ToString())
        .Set("machine", Holder?.Machine)
        .Set("bootId", Holder?.BootId)
        .Set("pidNamespace", Holder?.PidNamespace)
        .Set("processId", Holder is null ? null : ControlItemBuilder.Number(Holder.ProcessId))
        .Set("processStart", Holder?.ProcessStart)
        .Set("user", Holder?.User)
        .Build();

    public static LeaseItem FromItem(Dictionary<string, AttributeValue> attributes)
    {
        var item = new ControlItem(attributes, Kind, Format);
        var holder = item.Has(HolderName)
            ? new LeaseHolder(
                item.String("machine"),
                item.OptionalString("bootId"),
                item.OptionalString("pidNamespace"),
                item.Int("processId", 0, int.MaxValue),
                item.OptionalString("processStart"),
                item.String("user"))
            : null;
        return new LeaseItem(
            item.String("job"),
            item.Long(EpochName),
            item.String(VersionName),
            item.String(TokenName),
            TimeSpan.FromMilliseconds(item.Int("durationMs", 1, int.MaxValue)),
            item.Time("acquiredAt"),
            holder);
    }
}

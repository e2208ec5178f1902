using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.CompilerServices;
using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Source;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Tests;

/// <summary>Objects as the core makes them, without any server.</summary>
internal static class Samples
{
    private static readonly string[] Names = ["CUSTOMER", "BILLING_ACCOUNT", "SUBSCRIBER", "SERVICE_AGREEMENT", "BILL", "CHARGE"];

    public static MigrationDefinition Definition(string name = "sample-billing") => new()
    {
        Name = name,
        Source = new SourceDefinition { Host = "mysql.example.com", Database = "billing" },
        Target = new TargetDefinition { Table = "billing", Region = "eu-central-1" },
        Entities = [.. Names.Select(Entity)],
    };

    /// <summary>A session that is good for all that does not reach a server.</summary>
    public static MigrationSession Session(string name = "sample-billing")
    {
        var target = Empty<TargetConnection>();
        Give(target, nameof(TargetConnection.Endpoint), new Uri("https://dynamodb.eu-central-1.amazonaws.com"));
        Give(target, nameof(TargetConnection.Region), "eu-central-1");
        var source = Empty<SourceConnections>();
        Give(source, nameof(SourceConnections.Server), new SourceServer(SourceFlavor.MySql, new Version(9, 7, 4), "9.7.4", "uuid", true, true));
        var session = Empty<MigrationSession>();
        Give(session, nameof(MigrationSession.Definition), Definition(name));
        Give(session, nameof(MigrationSession.Target), target);
        Give(session, nameof(MigrationSession.Source), source);
        return session;
    }

    public static SnapshotResult Snapshot(SnapshotOutcome outcome = SnapshotOutcome.Complete) => new()
    {
        Migration = "sample-billing",
        Table = "billing",
        RunId = "20260102T030405Z-7f3a",
        Outcome = outcome,
        Start = new SourcePosition { Flavor = SourceFlavor.MySql, ServerIdentity = "uuid", Gtid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5423" },
        RunState = outcome == SnapshotOutcome.Complete ? SnapshotState.Complete : SnapshotState.Running,
        Entities = [.. Definition().Entities.Select((e, i) => new EntityResult(e.Entity, e.Table, 1_234_567 * (i + 1), 1_234_567 * (i + 1), i, 16, 16))],
        Items = 25_925_907,
        Bytes = 13_743_895_347,
        ConsumedWriteUnits = 77_777_721,
        Requests = 1_037_037,
        ThrottledRequests = 42,
        Duration = new TimeSpan(0, 47, 9),
        Refused = [new SetAsideRow("CHARGE", "77", "ItemTooLarge", "409,601 bytes, limit 409,600")],
    };

    public static SnapshotPlan Plan() => new()
    {
        Migration = "sample-billing",
        Table = "billing",
        Entities = [.. Definition().Entities.Select(e => new EntityPlan(e.Entity, e.Table, 123_456_789, 61_728_394_500, 493_827_156, 500, 3))],
        EstimatedDuration = TimeSpan.FromHours(26.5),
        DurationBoundBy = "assumed rate",
        EstimatedCost = 1851.85m,
        Notes = ["CHARGE: rows are the optimizer's estimate; an exact count would read the whole table, which takes minutes at this size."],
    };

    public static MigrationState State(bool counted) => new()
    {
        Name = "sample-billing",
        Source = "mysql.example.com:3306/billing",
        SourceVersion = "9.7.4",
        Table = "billing",
        Endpoint = new Uri("https://dynamodb.eu-central-1.amazonaws.com"),
        Snapshot = new SnapshotRun
        {
            RunId = "20260102T030405Z-7f3a",
            StartedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            Start = Snapshot().Start,
            State = SnapshotState.Running,
            ShardCount = 1,
            ModelDigest = "d",
        },
        Entities = [.. Definition().Entities.Select(e => new EntityState(e.Entity, e.Table, 1_234_567, 1_234_567, 9, 0, 3, 16, counted ? 1_234_567 : null))],
    };

    private static EntityDefinition Entity(string name)
    {
        var key = new KeyTemplate("X#{id}", [new KeyLiteral("X#"), new KeyColumn(null, "id", null, null)]);
        return new EntityDefinition { Entity = name, Table = name.ToLowerInvariant(), PartitionKey = key, SortKey = key };
    }

    private static T Empty<T>() => (T)RuntimeHelpers.GetUninitializedObject(typeof(T));

    private static void Give(object to, string property, object value) =>
        to.GetType().GetField($"<{property}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic)!.SetValue(to, value);
}

using System.Collections.Immutable;
using BillingMigration.Control;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>What a check begins with.</summary>
internal sealed record IntegrityContext
{
    public required BillingModel Model { get; init; }

    /// <summary>Numbers of the entities that are compared.</summary>
    public required ImmutableArray<int> Chosen { get; init; }

    public required SnapshotRun Run { get; init; }

    public required ChangeProbe Changes { get; init; }

    /// <summary>Position before the first row was read.</summary>
    public required SourcePosition From { get; init; }

    /// <summary>Applications work on the table.</summary>
    public required bool TableLeads { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public required string VerdictId { get; init; }

    public ImmutableArray<EntityModel> Models => Model.Entities;

    public bool IsAll => Chosen.Length == Models.Length;
}

using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Target;

namespace BillingMigration;

/// <summary>What lets an application read through a view, on either side.</summary>
public sealed record ViewPolicy
{
    public required string View { get; init; }

    /// <summary>Table of the policy.</summary>
    public required string Table { get; init; }

    /// <summary>IAM policy, as JSON: attaches to the user or role of the application.</summary>
    public required string PolicyDocument { get; init; }

    /// <summary>The same rights on the source, one GRANT statement a table.</summary>
    public required IReadOnlyList<string> Grants { get; init; }

    /// <summary>
    /// Attributes of other entities that the policy cannot hide, because they have the name of one that is shown: <c>CUSTOMER.notes (as BILL.notes)</c>. Give one of them another
    /// <c>attribute</c> in the definition.
    /// </summary>
    public required IReadOnlyList<string> ShownBesides { get; init; }

    /// <param name="account">AWS account id, or <c>*</c>.</param>
    /// <param name="sourceAccount">As GRANT takes it: <c>'support'@'%'</c>.</param>
    /// <exception cref="MigrationException"><c>ViewUnknown</c>, <c>InvalidDefinition</c>, and errors of the source.</exception>
    public static async Task<ViewPolicy> CreateAsync(MigrationSession session, string view, string account, string sourceAccount, CancellationToken cancellationToken)
    {
        var definition = session.Definition.Through(view);
        await using var connection = await session.Source.OpenConnectionAsync(cancellationToken);
        var tables = await SchemaInspector.InspectAsync(connection, definition.Source.Database, BillingModel.TablesOf(definition), cancellationToken);
        var seen = BillingModel.Bind(definition, tables);
        return new ViewPolicy
        {
            View = view,
            Table = definition.Target.Table,
            PolicyDocument = new AccessPolicy(definition, session.Target.Region, account).Write(seen),
            Grants = AccessGrants.Of(seen, sourceAccount),
            ShownBesides = AccessPolicy.ShownBesides(BillingModel.Bind(session.Definition, tables), seen),
        };
    }
}

namespace BillingMigration.PowerShell;

/// <summary>Names of entities as an operator writes them.</summary>
internal static class EntityNames
{
    /// <summary>The definition's own spelling of an entity's name.</summary>
    public static string Known(MigrationSession session, string name)
    {
        var entities = session.Definition.Entities;
        return entities.FirstOrDefault(e => string.Equals(e.Entity, name, StringComparison.OrdinalIgnoreCase))?.Entity ?? throw new MigrationException(
            "UnknownEntity",
            MigrationErrorKind.InvalidArgument,
            $"The definition has no entity '{name}'. Choose from: {string.Join(", ", entities.Select(e => e.Entity))}.",
            name);
    }
}

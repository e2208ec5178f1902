using BillingMigration.Model;

namespace BillingMigration.Source;

/// <summary>The GRANT statements of an application that reads through a view.</summary>
internal static class AccessGrants
{
    /// <param name="seen">The model through the view.</param>
    /// <param name="account">As GRANT takes it: <c>'support'@'%'</c>.</param>
    public static IReadOnlyList<string> Of(BillingModel seen, string account) =>
    [
        .. seen.Entities.Select(e =>
            $"GRANT SELECT ({string.Join(", ", e.Attributes.Select(a => SelectStatement.Name(a.Column.Name)))}) ON {SelectStatement.Name(seen.Definition.Source.Database)}.{SelectStatement.Name(e.Table.Name)} TO {account};"),
    ];
}

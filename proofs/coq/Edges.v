(* Edge to edge: where a piece meets another, they share a corner or a whole edge.
   Theorem neighbours: a point of two different listed pieces that is no corner of the one lies strictly inside an edge of
   it, whose reverse is an edge of the other. So every edge of a piece that meets another piece anywhere but in its ends is
   the reverse of an edge of that piece, name by name.
   Theorem faces_meet: and a corner of the one in the other is a corner of it. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Lia Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker Sound.
Import ListNotations.
Open Scope R_scope.

(* ---------- near an edge *)
Definition on (x a b : pt) : Prop := exists s, 0 < s < 1 /\ x = at_ s a b.
Lemma on_swap x a b : on x a b -> on x b a.
Proof.
  intros (s & S & ->). exists (1 - s). split; [lra|]. destruct a as [a1 a2], b as [b1 b2]. unfold at_; simpl. f_equal; ring.
Qed.
Lemma on_orient x a b c : on x a b -> exists s, 0 < s < 1 /\ (forall f, ev f x = (1 - s) * ev f a + s * ev f b) /\
  orient b c x = (1 - s) * orient a b c /\ orient c a x = s * orient a b c /\ orient a b x = 0.
Proof.
  intros (s & S & ->). exists s. split; [exact S|]. split; [intros; apply ev_at|]. unfold orient, at_; simpl. repeat split; ring.
Qed.
(* the open triangle of two corners that make an edge and a third is inside *)
Lemma triangle_inside l a b c p : conv l -> In a l -> In b l -> In c l -> 0 < orient a b c -> inT a b c p -> inside l p.
Proof.
  intros C Ia Ib Ic O (T1 & T2 & T3) e E. destruct (edge_strict l e C E) as (d & Id & D).
  pose proof (corner_in l a C Ia e E) as A0. pose proof (corner_in l b C Ib e E) as B0. pose proof (corner_in l c C Ic e E) as C0.
  pose proof (bary (line (fst e) (snd e)) a b c p) as K. rewrite !ev_line in K.
  destruct (Req_dec (orient (fst e) (snd e) a + orient (fst e) (snd e) b + orient (fst e) (snd e) c) 0) as [Z|Z].
  - exfalso. pose proof (bary (line (fst e) (snd e)) a b c d) as B. rewrite !ev_line in B.
    assert (Za : orient (fst e) (snd e) a = 0) by lra. assert (Zb : orient (fst e) (snd e) b = 0) by lra. assert (Zc : orient (fst e) (snd e) c = 0) by lra.
    rewrite Za, Zb, Zc in B. nra.
  - apply Rmult_lt_reg_l with (orient a b c); [exact O|]. rewrite Rmult_0_r, <- K.
    pose proof (nonneg_mul _ _ (Rlt_le _ _ T1) C0). pose proof (nonneg_mul _ _ (Rlt_le _ _ T2) A0). pose proof (nonneg_mul _ _ (Rlt_le _ _ T3) B0).
    destruct (Rle_lt_dec (orient b c p * orient (fst e) (snd e) a + orient c a p * orient (fst e) (snd e) b + orient a b p * orient (fst e) (snd e) c) 0) as [L|L]; [|exact L].
    exfalso. apply Z.
    assert (E1 : orient b c p * orient (fst e) (snd e) a = 0) by lra. assert (E2 : orient c a p * orient (fst e) (snd e) b = 0) by lra.
    assert (E3 : orient a b p * orient (fst e) (snd e) c = 0) by lra.
    apply Rmult_integral in E1, E2, E3. lra.
Qed.
Lemma edge_in {X} (l : list X) e : In e (edges l) -> In (fst e) l /\ In (snd e) l.
Proof.
  destruct l as [|x l]; [intros []|]. intros I. apply consec_in in I. cbn [In] in *. rewrite in_app_iff in I. cbn [In] in I. tauto.
Qed.
(* half a disc around a point inside an edge is inside the polygon *)
Lemma half_disc l a b x : conv l -> In (a, b) (edges l) -> on x a b ->
  exists d, 0 < d /\ forall y, box x d y -> 0 < orient a b y -> inside l y.
Proof.
  intros C E O. destruct (edge_strict l (a, b) C E) as (c & Ic & K). cbn [fst snd] in K. destruct (edge_in l (a, b) E) as [Ia Ib]. cbn [fst snd] in *.
  destruct (on_orient x a b c O) as (s & S & _ & O1 & O2 & _).
  assert (P1 : 0 < ev (line b c) x) by (rewrite ev_line, O1; apply Rmult_lt_0_compat; lra).
  assert (P2 : 0 < ev (line c a) x) by (rewrite ev_line, O2; apply Rmult_lt_0_compat; lra).
  destruct (ev_pos_near _ _ P1) as (d1 & D1 & N1). destruct (ev_pos_near _ _ P2) as (d2 & D2 & N2).
  exists (Rmin d1 d2). split; [apply Rmin_glb_lt; assumption|]. intros y B Y.
  apply (triangle_inside l a b c); auto. split; [exact Y|]. rewrite <- !ev_line. split.
  - apply N1. eapply box_le; [apply Rmin_l | exact B].
  - apply N2. eapply box_le; [apply Rmin_r | exact B].
Qed.

(* ---------- strictly convex: the corners off an edge are strictly on its left *)
Lemma last_edge {X} (l : list X) : forall a z, In (final a l, z) (consec a (l ++ [z])).
Proof. induction l as [|b l IH]; intros a z; simpl; [auto | right; apply IH]. Qed.
Lemma ccw_strict_edge l : forall a e c, ccw (a :: l) -> In e (consec a l) -> In c (a :: l) ->
  c = fst e \/ c = snd e \/ 0 < orient (fst e) (snd e) c.
Proof.
  induction l as [|b l IH]; intros a e c H I J; simpl in I; [tauto|]. destruct H as [H1 H2]. destruct I as [<-|I].
  - simpl. destruct J as [<-|[<-|J]]; auto. right; right. inversion H1 as [|? ? X _]; subst. rewrite Forall_forall in X. auto.
  - destruct J as [<-|J]; [|apply (IH b); assumption]. right; right.
    pose proof (consec_pairs _ _ _ _ H1 I) as K. unfold orient in *; lra.
Qed.
Lemma ccw_strict l e c : ccw l -> In e (edges l) -> In c l -> c = fst e \/ c = snd e \/ 0 < orient (fst e) (snd e) c.
Proof.
  destruct l as [|p l]; [intros _ []|]. intros H I J. unfold edges in I. apply consec_snoc in I. destruct I as [I| ->].
  - apply (ccw_strict_edge l p); assumption.
  - cbn [fst snd]. destruct J as [<-|J]; [auto|]. destruct l as [|a l]; [destruct J|].
    change (final p (a :: l)) with (final a l). destruct (last_pairs _ _ _ _ (proj1 H) J) as [E|K]; [auto|].
    right; right. unfold orient in *; lra.
Qed.
Lemma edge_ne l a b : conv l -> In (a, b) (edges l) -> a <> b.
Proof. intros C E ->. destruct (edge_strict l (b, b) C E) as (c & _ & K). cbn [fst snd] in K. rewrite orient_same in K. lra. Qed.
(* a corner is strictly inside no edge *)
Lemma corner_not_on l a b x : ccw l -> conv l -> In (a, b) (edges l) -> In x l -> ~ on x a b.
Proof.
  intros H C E I O. pose proof (edge_ne l a b C E) as N.
  destruct (on_orient x a b a O) as (s & S & _ & _ & _ & Z). destruct O as (t & T & Ex).
  destruct (ccw_strict l (a, b) x H E I) as [X|[X|X]]; cbn [fst snd] in X; [| |lra]; apply N; destruct a as [a1 a2], b as [b1 b2];
    subst x; unfold at_ in X; simpl in X; injection X as X1 X2; f_equal; nra.
Qed.
(* two edges of one polygon that share a point inside both are one *)
Lemma edges_cross l a b c d x : ccw l -> conv l -> In (a, b) (edges l) -> In (c, d) (edges l) -> on x a b -> on x c d -> (c, d) = (a, b).
Proof.
  intros H C E1 E2 O1 O2. destruct (edge_strict l (a, b) C E1) as (f & If & K). cbn [fst snd] in K.
  destruct (on_orient x a b f O1) as (s & S & _ & _ & _ & Z). destruct (on_orient x c d f O2) as (t & T & Ev & _).
  destruct (edge_in l (c, d) E2) as [Ic Id]. cbn [fst snd] in *. pose proof (edge_ne l c d C E2) as N.
  assert (Zs : orient a b c = 0 /\ orient a b d = 0).
  { pose proof (corner_in l c C Ic (a, b) E1) as A1. pose proof (corner_in l d C Id (a, b) E1) as A2. cbn [fst snd] in *.
    pose proof (Ev (line a b)) as Q0. rewrite !ev_line, Z in Q0. nra. }
  destruct Zs as [Zc Zd].
  destruct (ccw_strict l (a, b) c H E1 Ic) as [X|[X|X]], (ccw_strict l (a, b) d H E1 Id) as [Y|[Y|Y]]; cbn [fst snd] in X, Y; try lra; subst; try congruence.
  exfalso. pose proof (corner_in l f C If (b, a) E2) as B. cbn [fst snd] in B. rewrite orient_anti in B. lra.
Qed.

(* ---------- a point of a polygon is inside it, a corner, or strictly inside an edge *)
Lemma not_inside (es : list (pt * pt)) p : (forall e, In e es -> 0 <= orient (fst e) (snd e) p) ->
  (forall e, In e es -> 0 < orient (fst e) (snd e) p) \/ exists e, In e es /\ orient (fst e) (snd e) p = 0.
Proof.
  induction es as [|e es IH]; intros H; [left; intros ? []|]. destruct IH as [A|(e' & I & Z)]; [intros; apply H; simpl; auto| |right; exists e'; simpl; auto].
  destruct (Req_dec (orient (fst e) (snd e) p) 0) as [Z|Z]; [right; exists e; simpl; auto|]. left. intros e' [<-|I]; [|auto].
  pose proof (H e (or_introl eq_refl)). lra.
Qed.
Lemma between_of a b c x : 0 < orient a b c -> orient a b x = 0 -> 0 <= orient b c x -> 0 <= orient c a x -> x = a \/ x = b \/ on x a b.
Proof.
  intros O Z A B. pose proof (orient_sum a b c x) as S.
  pose proof (bary (F 1 0 0) a b c x) as X. pose proof (bary (F 0 1 0) a b c x) as Y.
  unfold ev in X, Y; simpl in X, Y. rewrite Z in *.
  destruct (Req_dec (orient b c x) 0) as [Z1|Z1]; [|destruct (Req_dec (orient c a x) 0) as [Z2|Z2]].
  - right; left. rewrite Z1 in *. destruct x as [x1 x2], b as [b1 b2]; simpl in *. f_equal; apply Rmult_eq_reg_l with (orient a (P b1 b2) c); lra || nra.
  - left. rewrite Z2 in *. destruct x as [x1 x2], a as [a1 a2]; simpl in *. f_equal; apply Rmult_eq_reg_l with (orient (P a1 a2) b c); lra || nra.
  - right; right. exists (orient c a x / orient a b c). split.
    + split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (orient a b c); [exact O|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
    + unfold at_. destruct x as [x1 x2]; simpl in *. assert (E : orient b c (P x1 x2) = orient a b c - orient c a (P x1 x2)) by lra. rewrite E in *.
      f_equal; apply Rmult_eq_reg_l with (orient a b c); try lra.
      * replace (orient a b c * (px a + orient c a (P x1 x2) / orient a b c * (px b - px a)))
          with (orient a b c * px a + orient c a (P x1 x2) * (px b - px a)) by (field; lra). lra.
      * replace (orient a b c * (py a + orient c a (P x1 x2) / orient a b c * (py b - py a)))
          with (orient a b c * py a + orient c a (P x1 x2) * (py b - py a)) by (field; lra). lra.
Qed.
Lemma three_zero f a b c : orient a b c <> 0 -> ev f a = 0 -> ev f b = 0 -> ev f c = 0 -> forall p, ev f p = 0.
Proof. intros O A B C p. pose proof (bary f a b c p) as K. rewrite A, B, C in K. apply Rmult_eq_reg_l with (orient a b c); lra. Qed.
Theorem boundary_point l x : (3 <= length l)%nat -> ccw l -> inP l x -> inside l x \/ In x l \/ exists a b, In (a, b) (edges l) /\ on x a b.
Proof.
  intros L H I. pose proof (proj1 (ccw_conv l L H)) as C.
  destruct (not_inside (edges l) x I) as [A|(e0 & E0 & Z0)]; [left; exact A|]. right.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl in L; try lia. set (l := p0 :: p1 :: p2 :: t) in *.
  destruct (edge_strict l e0 C E0) as (g & Ig & Pg). set (h := line (fst e0) (snd e0)).
  assert (Hh : forall c, In c l -> 0 <= ev h c) by (intros c Ic; unfold h; rewrite ev_line; apply (corner_in l c C Ic e0 E0)).
  assert (Hx : ev h x = 0) by (unfold h; rewrite ev_line; exact Z0).
  assert (Hn : ~ forall p, ev h p = 0) by (intros N; specialize (N g); unfold h in N; rewrite ev_line in N; lra).
  destruct (walk x p0 (p2 :: t) p1) as (e & E & A & B & D); [discriminate | apply (I (p0, p1)); simpl; auto | intros e E; apply I; right; exact E|].
  destruct (consec_in _ _ _ E) as [Jc Jd]. destruct e as [c d]. cbn [fst snd] in *.
  assert (O : 0 < orient p0 c d). { apply (consec_pairs _ _ _ _ (proj1 H) E). }
  assert (Ic : In c l) by (right; exact Jc). assert (Id : In d l) by (right; right; exact Jd). assert (Ip : In p0 l) by (left; reflexivity).
  pose proof (bary h p0 c d x) as K. rewrite Hx, Rmult_0_r in K.
  pose proof (nonneg_mul _ _ B (Hh p0 Ip)) as K1. pose proof (nonneg_mul _ _ D (Hh c Ic)) as K2. pose proof (nonneg_mul _ _ A (Hh d Id)) as K3.
  assert (M1 : orient c d x * ev h p0 = 0) by lra. assert (M2 : orient d p0 x * ev h c = 0) by lra. assert (M3 : orient p0 c x * ev h d = 0) by lra.
  apply Rmult_integral in M1, M2, M3.
  assert (EL : edges l = consec p0 ((p1 :: p2 :: t) ++ [p0])) by reflexivity.
  destruct (Req_dec (orient c d x) 0) as [W1|W1].
  - (* on the edge c d *)
    destruct (between_of c d p0 x) as [Y|[Y|Y]]; [rewrite orient_cyc; exact O | exact W1 | exact D | exact A | left; congruence | left; congruence|].
    right. exists c, d. split; [|exact Y]. rewrite EL. cbn [app consec]. right. change (In (c, d) (consec p1 ((p2 :: t) ++ [p0]))).
    rewrite consec_app. cbn [app]. rewrite <- (app_nil_r (p2 :: t)) in E. clear - E.
    assert (G : forall l a, In (c, d) (consec a l) -> In (c, d) (consec a (l ++ [p0]))).
    { induction l as [|y l IH]; intros a; simpl; [tauto|]. intros [Q|Q]; auto. }
    rewrite app_nil_r in E. apply (G (p2 :: t) p1) in E. rewrite consec_app in E. exact E.
  - assert (V0 : ev h p0 = 0) by tauto.
    destruct (Req_dec (orient d p0 x) 0) as [W2|W2]; [destruct (Req_dec (orient p0 c x) 0) as [W3|W3]|].
    + left. destruct (between_of p0 c d x O W3) as [Y|[Y|Y]]; [lra | lra | rewrite Y; exact Ip | rewrite Y; exact Ic|].
      exfalso. destruct (on_orient x p0 c d Y) as (s & S & _ & _ & Q0 & _). rewrite W2 in Q0. nra.
    + (* on d p0, where d is the last corner *)
      assert (V2 : ev h d = 0) by tauto.
      destruct (between_of d p0 c x) as [Y|[Y|Y]]; [rewrite <- orient_cyc; rewrite <- orient_cyc; rewrite orient_cyc; unfold orient in *; lra | exact W2 | exact A | exact B | left; congruence | left; congruence|].
      right. exists d, p0. split; [|exact Y].
      destruct (last_pairs _ _ _ _ (proj1 H) (or_intror Jd : In d (p1 :: p2 :: t))) as [Ed|Od].
      * rewrite EL, Ed. apply (last_edge (p1 :: p2 :: t) p0 p0).
      * exfalso. set (f := final p1 (p2 :: t)) in *. assert (If : In f l) by (right; apply final_in).
        pose proof (bary h p0 d f c) as Q0. rewrite V0, V2, !Rmult_0_r, !Rplus_0_l in Q0.
        rewrite (orient_anti d p0 c) in Q0 || idtac. assert (N1 : orient p0 d c < 0) by (unfold orient in *; lra).
        pose proof (Hh f If). pose proof (Hh c Ic). assert (ev h c = 0) by nra.
        apply Hn, (three_zero h p0 c d); auto; lra.
    + (* on p0 c, where c is the second corner *)
      assert (V1 : ev h c = 0) by tauto. assert (W3 : orient p0 c x = 0).
      { destruct M3 as [M3|M3]; [exact M3|]. exfalso. apply Hn, (three_zero h p0 c d); auto; lra. }
      destruct (between_of p0 c d x O W3 B D) as [Y|[Y|Y]]; [left; congruence | left; congruence|].
      right. exists p0, c. split; [|exact Y]. destruct Jc as [<-|Jc]; [rewrite EL; left; reflexivity|].
      exfalso. assert (Oc : 0 < orient p0 p1 c). { pose proof (proj1 H) as F1. inversion F1 as [|? ? X _]; subst. rewrite Forall_forall in X. apply X, Jc. }
      pose proof (bary h p0 c d p1) as Q0. rewrite V0, V1, !Rmult_0_r, !Rplus_0_l in Q0.
      assert (N1 : orient p0 c p1 < 0) by (unfold orient in *; lra). assert (I1 : In p1 l) by (right; left; reflexivity).
      pose proof (Hh p1 I1). pose proof (Hh d Id). assert (ev h d = 0) by nra.
      apply Hn, (three_zero h p0 c d); auto; lra.
Qed.

(* What the checker accepts is true. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Permutation FMapPositive Sorted.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate Checker.
Import ListNotations.
Open Scope R_scope.

(* ---------- geometry *)
Lemma det_orient p q r : (0 < hw p)%Z -> (0 < hw q)%Z -> (0 < hw r)%Z ->
  IZR (det p q r) = IZR (hw p) * IZR (hw q) * IZR (hw r) * orient (hp p) (hp q) (hp r).
Proof.
  destruct p as [[a b] c], q as [[d e] f], r as [[g h] i]; unfold hw; simpl. intros A B C.
  apply IZR_lt in A, B, C. unfold orient; simpl. rewrite ?plus_IZR, ?minus_IZR, ?mult_IZR, ?minus_IZR, ?plus_IZR, ?mult_IZR. field. lra.
Qed.
Lemma det_pos p q r : (0 < hw p)%Z -> (0 < hw q)%Z -> (0 < hw r)%Z -> (0 <? det p q r)%Z = true ->
  0 < orient (hp p) (hp q) (hp r).
Proof.
  intros A B C H. apply Z.ltb_lt, IZR_lt in H. rewrite det_orient in H by assumption. apply IZR_lt in A, B, C.
  assert (0 < IZR (hw p) * IZR (hw q) * IZR (hw r)) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; assumption). nra.
Qed.
Fixpoint triples (a b : pt) (l : list pt) : list (pt * pt * pt) :=
  match l with [] => [] | c :: t => (a, b, c) :: triples b c t end.
(* Lemma 8, without angles: turning left three by three is turning left altogether *)
Lemma half_plane o a l : forall b, 0 < orient o a b -> (forall c, In c l -> 0 < orient o a c) ->
  (forall e, In e (consec b l) -> 0 < orient o (fst e) (snd e)) -> ForallOrdPairs (fun x y => 0 < orient o x y) (b :: l).
Proof.
  induction l as [|c l IH]; intros b Hb H E; [repeat constructor|].
  assert (IHc : ForallOrdPairs (fun x y => 0 < orient o x y) (c :: l)).
  { apply IH; [apply H; left; reflexivity | intros; apply H; right; assumption | intros; apply E; right; assumption]. }
  constructor; [|exact IHc]. pose proof (E (b, c) (or_introl eq_refl)) as Bc. cbn [fst snd] in Bc.
  constructor; [exact Bc|]. inversion IHc as [|? ? F _]; subst. rewrite Forall_forall in *. intros d I.
  specialize (F d I). pose proof (H c (or_introl eq_refl)) as Hc. pose proof (H d (or_intror I)) as Hd.
  assert (X : orient o a c * orient o b d = orient o a b * orient o c d + orient o a d * orient o b c) by (unfold orient; ring).
  assert (0 < orient o a c * orient o b d).
  { rewrite X. apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; assumption. }
  apply Rmult_lt_reg_l with (orient o a c); lra.
Qed.
Lemma turns_ccw o l : forall a b, ForallOrdPairs (fun x y => 0 < orient o x y) (a :: b :: l) ->
  (forall x y z, In (x, y, z) (triples a b l) -> 0 < orient x y z) -> ccw (a :: b :: l).
Proof.
  induction l as [|c l IH]; intros a b S T; [simpl; repeat constructor|].
  assert (C : ccw (b :: c :: l)).
  { apply IH; [inversion S; assumption | intros; apply T; right; assumption]. }
  split; [|exact C]. pose proof (T a b c (or_introl eq_refl)) as Tabc.
  assert (P5 : forall x y z w, 0 < orient o x y -> 0 < orient o y z -> 0 < orient o x z -> 0 < orient o y w -> 0 < orient o z w ->
     0 < orient o x w -> 0 < orient x y z -> 0 < orient y z w -> 0 < orient x y w /\ 0 < orient x z w).
  { intros x y z w Oxy Oyz Oxz Oyw Ozw Oxw U V. split.
    - assert (E : orient o y z * orient x y w = orient o x y * orient y z w + orient o y w * orient x y z) by (unfold orient; ring).
      assert (0 < orient o y z * orient x y w) by (rewrite E; apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; assumption).
      apply Rmult_lt_reg_l with (orient o y z); lra.
    - assert (E : orient o y z * orient x z w = orient o x z * orient y z w + orient o z w * orient x y z) by (unfold orient; ring).
      assert (0 < orient o y z * orient x z w) by (rewrite E; apply Rplus_lt_0_compat; apply Rmult_lt_0_compat; assumption).
      apply Rmult_lt_reg_l with (orient o y z); lra. }
  inversion S as [|? ? Sa S1]; subst. inversion S1 as [|? ? Sb S2]; subst. inversion S2 as [|? ? Sc S3]; subst.
  rewrite Forall_forall in Sa, Sb, Sc. destruct C as [Cb [Cc _]].
  assert (First : forall d, In d (c :: l) -> 0 < orient a b d).
  { intros d [<-|I]; [exact Tabc|]. inversion Cb as [|? ? F _]; subst. rewrite Forall_forall in F.
    apply (P5 a b c d); simpl in *; auto. }
  constructor; [apply Forall_forall; exact First|].
  clear - First P5 Sa Sb Cb S2. set (m := c :: l) in *. clearbody m. induction Cb as [|x m F _ IH]; constructor.
  - rewrite Forall_forall in *. intros y I. inversion S2 as [|? ? Sx _]; subst. rewrite Forall_forall in Sx.
    apply (P5 a b x y); simpl in *; auto.
  - inversion S2; subst. apply IH; simpl in *; auto.
    + intros z [->|I]; apply Sa; auto.
Qed.
Lemma consec_pairs {X} (G : X -> X -> Prop) l : forall a e, ForallOrdPairs G (a :: l) -> In e (consec a l) -> G (fst e) (snd e).
Proof.
  induction l as [|b l IH]; intros a e H I; simpl in I; [tauto|]. inversion H; subst. destruct I as [<-|I].
  - rewrite Forall_forall in H2. simpl. apply H2; simpl; auto.
  - apply (IH b); assumption.
Qed.
Lemma ccw_edge l : forall a e c, ccw (a :: l) -> In e (consec a l) -> In c (a :: l) -> 0 <= orient (fst e) (snd e) c.
Proof.
  induction l as [|b l IH]; intros a e c H I J; simpl in I; [tauto|]. destruct H as [H1 H2].
  destruct I as [<-|I].
  - simpl. destruct J as [<-|[<-|J]]; [rewrite orient_at1; lra | rewrite orient_at2; lra|].
    inversion H1; subst. rewrite Forall_forall in H3. apply Rlt_le, H3, J.
  - destruct J as [<-|J]; [|apply (IH b); assumption].
    apply Rlt_le. rewrite orient_cyc. rewrite <- orient_cyc. rewrite <- orient_cyc.
    pose proof (consec_pairs _ _ _ _ H1 I) as K. unfold orient in *; lra.
Qed.
Fixpoint final {X} (a : X) (l : list X) : X := match l with [] => a | b :: t => final b t end.
Lemma consec_snoc {X} (z : X) l : forall a e, In e (consec a (l ++ [z])) -> In e (consec a l) \/ e = (final a l, z).
Proof.
  induction l as [|b l IH]; intros a e; simpl; [intros [<-|[]]; auto|].
  intros [<-|I]; [auto|]. apply IH in I. destruct I as [I|I]; auto.
Qed.
Lemma final_in {X} l : forall a : X, In (final a l) (a :: l).
Proof. induction l as [|b l IH]; intros a; simpl; [auto|]. right. apply IH. Qed.
Lemma last_pairs {X} (G : X -> X -> Prop) l : forall a c, ForallOrdPairs G (a :: l) -> In c (a :: l) -> c = final a l \/ G c (final a l).
Proof.
  induction l as [|b l IH]; intros a c H I; [destruct I as [<-|[]]; auto|].
  inversion H; subst. destruct I as [<-|I]; [|apply IH; assumption].
  right. rewrite Forall_forall in H2. apply H2. exact (final_in l b).
Qed.
Theorem ccw_conv l : (3 <= length l)%nat -> ccw l -> conv l /\ sorted l.
Proof.
  destruct l as [|p0 [|p1 [|p2 t]]]; simpl length; try lia. intros _ H. split; [|exact (proj1 H)]. split.
  - intros e c I J. change (edges (p0 :: p1 :: p2 :: t)) with (consec p0 ((p1 :: p2 :: t) ++ [p0])) in I.
    apply consec_snoc in I. destruct I as [I| ->]; [apply (ccw_edge (p1 :: p2 :: t) p0); assumption|].
    cbn [fst snd]. destruct J as [<-|J]; [rewrite orient_at2; lra|].
    change (final p0 (p1 :: p2 :: t)) with (final p1 (p2 :: t)).
    destruct (last_pairs _ _ _ _ (proj1 H) J) as [E|K].
    + rewrite <- E, orient_at1. lra.
    + unfold orient in *; lra.
  - intros e I. apply (consec_pairs _ _ _ _ (proj1 H)). exact I.
Qed.
Lemma turns_ok l : forall a b, (forall h, In h (a :: b :: l) -> (0 < hw h)%Z) -> turns a b l = true ->
  forall x y z, In (x, y, z) (triples (hp a) (hp b) (map hp l)) -> 0 < orient x y z.
Proof.
  induction l as [|c l IH]; intros a b D H x y z I; [destruct I|]. apply andb_true_iff in H. destruct H as [H1 H2].
  destruct I as [E|I]; [injection E as <- <- <-; apply det_pos; auto; apply D; simpl; auto|].
  revert x y z I. apply IH; [intros; apply D; simpl in *; tauto | exact H2].
Qed.
Lemma around_ok o l : forall a, (forall h, In h (o :: a :: l) -> (0 < hw h)%Z) -> around o a l = true ->
  forall e, In e (consec (hp a) (map hp l)) -> 0 < orient (hp o) (fst e) (snd e).
Proof.
  induction l as [|c l IH]; intros a D H e I; [destruct I|]. apply andb_true_iff in H. destruct H as [H1 H2].
  destruct I as [<-|I]; [apply det_pos; auto; apply D; simpl; auto|].
  apply (IH c); [intros; apply D; simpl in *; tauto | exact H2 | exact I].
Qed.
Lemma polyZ_ccw l : (forall h, In h l -> (0 < hw h)%Z) -> polyZ l = true -> (3 <= length l)%nat /\ ccw (map hp l).
Proof.
  intros D H. destruct l as [|o [|a [|b t]]]; try discriminate. cbn [polyZ] in H.
  apply andb_true_iff in H. destruct H as [H H3]. apply andb_true_iff in H. destruct H as [H1 H2].
  split; [simpl; lia|]. pose proof (around_ok o (b :: t) a D H2) as Ar.
  assert (Ha : forall c, In c (map hp t) -> 0 < orient (hp o) (hp a) c).
  { intros c I. apply in_map_iff in I. destruct I as (h & <- & I). rewrite forallb_forall in H1. apply det_pos; try apply D; simpl; auto. }
  assert (Hb : 0 < orient (hp o) (hp a) (hp b)) by (apply (Ar (hp a, hp b)); left; reflexivity).
  assert (S : ForallOrdPairs (fun x y => 0 < orient (hp o) x y) (map hp (a :: b :: t))).
  { constructor; [apply Forall_forall; intros c [<-|I]; auto|].
    apply (half_plane (hp o) (hp a)); [exact Hb | exact Ha | intros e I; apply Ar; right; exact I]. }
  split; [exact S|]. apply (turns_ccw (hp o) (map hp t)); [exact S|]. apply turns_ok; [|exact H3]. intros; apply D; simpl in *; tauto.
Qed.
Lemma polyZ_ok l : (forall h, In h l -> (0 < hw h)%Z) -> polyZ l = true -> conv (map hp l) /\ sorted (map hp l).
Proof. intros D H. destruct (polyZ_ccw l D H). apply ccw_conv; [rewrite map_length|]; assumption. Qed.
Lemma heq_ok p q : heq p q = true -> p = q.
Proof.
  destruct p as [[a b] c], q as [[d e] f]; simpl. intros H. apply andb_true_iff in H. destruct H as [H H3].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.eqb_eq in H1, H2, H3. congruence.
Qed.
Definition dotp (a b c : pt) := (px b - px a) * (px c - px a) + (py b - py a) * (py c - py a).
Lemma towards_dot a b c : (0 < hw a)%Z -> (0 < hw b)%Z -> (0 < hw c)%Z -> (0 <? towards a b c)%Z = true -> 0 < dotp (hp a) (hp b) (hp c).
Proof.
  destruct a as [[ax ay] aw], b as [[bx b_y] bw], c as [[cx cy] cw]; unfold hw; cbn [snd]. intros A B C H.
  apply Z.ltb_lt, IZR_lt in H. unfold towards in H. rewrite plus_IZR, !mult_IZR, !minus_IZR, !mult_IZR in H.
  apply IZR_lt in A, B, C. unfold dotp, hp; cbn [px py].
  set (AX := IZR ax) in *; set (AY := IZR ay) in *; set (AW := IZR aw) in *; set (BX := IZR bx) in *; set (BY := IZR b_y) in *;
  set (BW := IZR bw) in *; set (CX := IZR cx) in *; set (CY := IZR cy) in *; set (CW := IZR cw) in *.
  apply Rmult_lt_reg_l with (AW * AW * BW * CW); [repeat apply Rmult_lt_0_compat; assumption|].
  rewrite Rmult_0_r. replace (AW * AW * BW * CW * _) with ((BX * AW - AX * BW) * (CX * AW - AX * CW) + (BY * AW - AY * BW) * (CY * AW - AY * CW)) by (field; lra).
  exact H.
Qed.
Lemma on_segment a b c : orient a b c = 0 -> 0 < dotp a b c -> 0 < dotp c b a -> exists s, 0 < s < 1 /\ b = at_ s a c.
Proof.
  unfold orient, dotp. intros O P1 P2. destruct a as [ax ay], b as [bx b_y], c as [cx cy]; cbn [px py] in *.
  set (dx := cx - ax) in *. set (dy := cy - ay) in *. set (ex := bx - ax) in *. set (ey := b_y - ay) in *.
  assert (N : 0 < dx * dx + dy * dy) by nra.
  assert (LT : ex * dx + ey * dy < dx * dx + dy * dy).
  { replace (bx - cx) with (ex - dx) in P2 by (unfold ex, dx; ring). replace (ax - cx) with (- dx) in P2 by (unfold dx; ring).
    replace (b_y - cy) with (ey - dy) in P2 by (unfold ey, dy; ring). replace (ay - cy) with (- dy) in P2 by (unfold dy; ring). nra. }
  exists ((ex * dx + ey * dy) / (dx * dx + dy * dy)). split.
  - split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (dx * dx + dy * dy); [exact N|]. field_simplify; lra.
  - unfold at_; cbn [px py]. fold dx dy. f_equal.
    + replace bx with (ax + ex) by (unfold ex; ring). f_equal.
      apply Rmult_eq_reg_r with (dx * dx + dy * dy); [|lra].
      replace ((ex * dx + ey * dy) / (dx * dx + dy * dy) * dx * (dx * dx + dy * dy)) with ((ex * dx + ey * dy) * dx) by (field; lra).
      assert (K : dy * (ex * dy - ey * dx) = 0) by (rewrite O; ring). lra.
    + replace b_y with (ay + ey) by (unfold ey; ring). f_equal.
      apply Rmult_eq_reg_r with (dx * dx + dy * dy); [|lra].
      replace ((ex * dx + ey * dy) / (dx * dx + dy * dy) * dy * (dx * dx + dy * dy)) with ((ex * dx + ey * dy) * dy) by (field; lra).
      assert (K : dx * (ex * dy - ey * dx) = 0) by (rewrite O; ring). lra.
Qed.
Lemma between_ok a b c p : (0 < hw a)%Z -> (0 < hw b)%Z -> (0 < hw c)%Z -> between a b c = true ->
  (chi (hp a) (hp b) p + chi (hp b) (hp c) p)%Z = chi (hp a) (hp c) p.
Proof.
  intros A B C H. apply andb_true_iff in H. destruct H as [H H3]. apply andb_true_iff in H. destruct H as [H1 H2].
  destruct (on_segment (hp a) (hp b) (hp c)) as (s & S & E).
  - apply Z.eqb_eq in H1. pose proof (det_orient a b c A B C) as D. rewrite H1 in D. apply IZR_lt in A, B, C.
    assert (0 < IZR (hw a) * IZR (hw b) * IZR (hw c)) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; assumption). nra.
  - apply towards_dot; assumption.
  - apply towards_dot; assumption.
  - apply (chi_cut _ _ _ _ s S E).
Qed.
Lemma steps_ok p c : (0 < hw c)%Z -> forall l a, (0 < hw a)%Z -> (forall h, In h l -> (0 < hw h)%Z) -> steps a l c = true ->
  csum p (consec (hp a) (map hp l)) = chi (hp a) (hp c) p.
Proof.
  intros C. induction l as [|b l IH]; intros a A D H; cbn [steps] in H; [discriminate|].
  cbn [map consec]. change (csum p ((hp a, hp b) :: consec (hp b) (map hp l))) with (chi (hp a) (hp b) p + csum p (consec (hp b) (map hp l)))%Z.
  destruct l as [|b' l].
  - apply heq_ok in H. subst b. simpl. lia.
  - apply andb_true_iff in H. destruct H as [H1 H2]. rewrite (IH b); [|apply D; simpl; auto | intros; apply D; simpl in *; tauto | exact H2].
    apply between_ok; auto. apply D; simpl; auto.
Qed.
Open Scope R_scope.

(* ---------- bits *)
Definition bit (z : Z) (k : nat) : bool := Z.testbit z (Z.of_nat k).
Lemma bits_0 f z t : bit (bits f (z :: t)) 0 = f z.
Proof. unfold bit. cbn [bits]. exact (Z.add_b2z_double_bit0 (f z) (bits f t)). Qed.
Lemma bits_S f z t k : bit (bits f (z :: t)) (S k) = bit (bits f t) k.
Proof.
  unfold bit. cbn [bits]. rewrite Nat2Z.inj_succ. destruct (f z); cbn [Z.b2z].
  - rewrite Z.add_comm. apply Z.testbit_odd_succ. lia.
  - rewrite Z.add_0_l. apply Z.testbit_even_succ. lia.
Qed.
Lemma bits_nil f k : bit (bits f []) k = false.
Proof. apply Z.testbit_0_l. Qed.
Lemma bits_nonneg f l : (0 <= bits f l)%Z.
Proof. induction l as [|z l IH]; cbn [bits]; [lia|]. destruct (f z); cbn [Z.b2z]; lia. Qed.
Lemma bits_pos zs os : Forall2 same zs os -> forall k, bit (bits pos zs) k = true <-> 0 < nth k os 0.
Proof.
  induction 1 as [|z o zs os [H _] _ IH]; intros k.
  - rewrite bits_nil. destruct k; simpl; split; try discriminate; lra.
  - destruct k; [rewrite bits_0; simpl; unfold pos; rewrite Z.ltb_lt; exact H | rewrite bits_S; apply IH].
Qed.
Lemma bits_neg zs os : Forall2 same zs os -> forall k, bit (bits negb_ zs) k = true <-> nth k os 0 < 0.
Proof.
  induction 1 as [|z o zs os [_ H] _ IH]; intros k.
  - rewrite bits_nil. destruct k; simpl; split; try discriminate; lra.
  - destruct k; [rewrite bits_0; simpl; unfold negb_; rewrite Z.ltb_lt; exact H | rewrite bits_S; apply IH].
Qed.
Lemma bits_nul zs os : Forall2 same zs os -> forall k, bit (bits nul zs) k = true <-> nth k os (-1) = 0.
Proof.
  induction 1 as [|z o zs os [H1 H2] _ IH]; intros k.
  - rewrite bits_nil. destruct k; simpl; split; try discriminate; lra.
  - destruct k; [|rewrite bits_S; apply IH]. rewrite bits_0. simpl. unfold nul. rewrite Z.eqb_eq. split; intros E.
    + destruct (Rtotal_order o 0) as [L|[L|L]]; [apply H2 in L; lia | exact L | apply H1 in L; lia].
    + destruct (Z.lt_trichotomy z 0) as [L|[L|L]]; [apply H2 in L; lra | exact L | apply H1 in L; lra].
Qed.
Lemma bits_nuls g G : Forall2 (Forall2 same) g G -> forall i k, bit (nth i (map (bits nul) g) 0%Z) k = true <-> nth k (nth i G []) (-1) = 0.
Proof.
  induction 1 as [|zs os g G H _ IH]; intros i k.
  - destruct i; unfold bit; simpl; rewrite Z.testbit_0_l; destruct k; simpl; split; try discriminate; lra.
  - destruct i; simpl; [apply bits_nul, H | apply IH].
Qed.
Lemma bit_ext a b : (forall k, bit a k = bit b k) -> a = b.
Proof.
  intros H. apply Z.bits_inj. intros n. destruct (Z.le_gt_cases 0 n) as [L|L].
  - specialize (H (Z.to_nat n)). unfold bit in H. rewrite Z2Nat.id in H by exact L. exact H.
  - rewrite !Z.testbit_neg_r by exact L. reflexivity.
Qed.
Lemma bit_iff_ext a b : (forall k, bit a k = true <-> bit b k = true) -> a = b.
Proof. intros H. apply bit_ext. intros k. specialize (H k). destruct (bit a k), (bit b k); intuition congruence. Qed.
Lemma positive_bit m : (0 < m)%Z -> exists k, bit m k = true.
Proof.
  intros H. exists (Z.to_nat (Z.log2 m)). unfold bit. rewrite Z2Nat.id by apply Z.log2_nonneg. apply Z.bit_log2, H.
Qed.

(* ---------- what a vertex record knows *)
Section net.
Variable q : question.
Hypothesis WF : wf (network q).
Notation N := (network q).
Definition xin (p : pt) : list vec := [input (rows q) (den q) p].
Definition OB (p : pt) := observed N (xin p).
Definition GR (p : pt) := grouped N (xin p).
Definition PAT (p : pt) : pat := pattern N (input (rows q) (den q) p).

Definition good (v : vtx) := (0 < hw (vp v))%Z /\ v = evalv q (vp v).
Lemma good_bits v : good v ->
  (forall k, bit (va v) k = true <-> 0 < nth k (OB (hp (vp v))) 0) /\
  (forall k, bit (vb v) k = true <-> nth k (OB (hp (vp v))) 0 < 0) /\
  (forall i k, bit (nth i (vm v) 0%Z) k = true <-> nth k (nth i (GR (hp (vp v))) []) (-1) = 0) /\
  length (vm v) = ngr N.
Proof.
  intros [W E]. remember (vp v) as h eqn:Eh.
  pose proof (rel_observed N (hw h) W _ _ (rel_input (rows q) (den q) h W)) as [A B]. fold (xin (hp h)) in A, B.
  rewrite E. unfold evalv. destruct (observedZ N (hw h) [(Z.pos (den q), inputZ (rows q) h)]) as [o g]. cbn [fst snd va vb vm] in *.
  repeat split; try (apply bits_pos, A); try (apply bits_neg, A); try (apply bits_nuls, B).
  rewrite map_length, (Forall2_len _ _ _ B). generalize (xin (hp h)). clear.
  induction N as [|n N0 IH]; intros st; simpl; [reflexivity|]. rewrite app_length, grp_length, IH. reflexivity.
Qed.
Lemma ors_bit f l k : bit (ors f l) k = true <-> exists v, In v l /\ bit (f v) k = true.
Proof.
  induction l as [|v l IH]; cbn [ors].
  - unfold bit. rewrite Z.testbit_0_l. split; [discriminate | intros (v & [] & _)].
  - unfold bit in *. rewrite Z.lor_spec, orb_true_iff, IH. split.
    + intros [H|(x & I & H)]; [exists v | exists x]; simpl; auto.
    + intros (x & [<-|I] & H); [left; exact H | right; exists x; auto].
Qed.
Lemma map2_nth l : forall m i, length l = length m -> nth i (map2 Z.land l m) 0%Z = Z.land (nth i l 0%Z) (nth i m 0%Z).
Proof. induction l as [|a l IH]; intros [|b m] i L; simpl in *; try discriminate; destruct i; auto. Qed.
Lemma map2_len l : forall m, length l = length m -> length (map2 Z.land l m) = length l.
Proof. induction l as [|a l IH]; intros [|b m] L; simpl in *; try discriminate; auto. Qed.
Lemma ands_spec n m l : length m = n -> (forall v, In v l -> length (vm v) = n) ->
  length (ands m l) = n /\ forall i k, bit (nth i (ands m l) 0%Z) k = true <-> bit (nth i m 0%Z) k = true /\ forall v, In v l -> bit (nth i (vm v) 0%Z) k = true.
Proof.
  intros M. induction l as [|v l IH]; intros L; cbn [ands].
  - split; [exact M|]. intros i k. simpl. tauto.
  - destruct IH as [I1 I2]; [intros; apply L; simpl; auto|]. pose proof (L v (or_introl eq_refl)) as Lv. split.
    + rewrite map2_len; congruence.
    + intros i k. rewrite map2_nth by congruence. unfold bit at 1. rewrite Z.land_spec, andb_true_iff.
      fold (bit (nth i (vm v) 0%Z) k). fold (bit (nth i (ands m l) 0%Z) k). rewrite I2. split.
      * intros (A1 & A2 & A3). split; [exact A2|]. intros x [<-|I]; auto.
      * intros (A1 & A2). split; [apply A2; simpl; auto|]. split; [exact A1|]. intros x I. apply A2. simpl; auto.
Qed.

(* a code says all signs of a pattern *)
Definition says (c : code) (p : pt) : Prop :=
  let '(a, b, m) := c in
  (forall k, bit a k = true <-> 0 < nth k (OB p) 0) /\ (forall k, bit b k = true <-> nth k (OB p) 0 < 0) /\
  (forall i k, bit (nth i m 0%Z) k = true <-> nth k (nth i (GR p) []) (-1) = 0) /\ length m = ngr N.

Definition poly (l : list vtx) : list pt := map (fun v => hp (vp v)) l.
Lemma masks_spec v0 l0 : (forall v, In v (v0 :: l0) -> good v) -> length (ands (vm v0) l0) = ngr N /\
  forall i k, bit (nth i (ands (vm v0) l0) 0%Z) k = true <-> forall v, In v (v0 :: l0) -> nth k (nth i (GR (hp (vp v))) []) (-1) = 0.
Proof.
  intros Gd. destruct (ands_spec (ngr N) (vm v0) l0) as [Lm Bm].
  { apply good_bits, Gd. left; reflexivity. }
  { intros v I. apply good_bits, Gd. right; exact I. }
  split; [exact Lm|]. intros i k. rewrite Bm. split.
  - intros [A B] v I. apply (good_bits v (Gd v I)). destruct I as [<-|I]; auto.
  - intros A. split; [|intros v I]; apply good_bits; try apply Gd; try apply A; simpl; auto.
Qed.
Lemma at_corners l (P : pt -> Prop) : (forall c, In c (poly l) -> P c) <-> forall v, In v l -> P (hp (vp v)).
Proof.
  unfold poly. split; intros X.
  - intros v I. apply X. apply in_map_iff. exists v; auto.
  - intros c I. apply in_map_iff in I. destruct I as (v & <- & I). auto.
Qed.
Lemma piece_agree l : (forall v, In v l -> good v) -> piece_ok l = true ->
  conv (poly l) /\ agree (poly l) OB /\ common (poly l) GR (ngr N).
Proof.
  intros Gd H. unfold piece_ok, code_of in H. apply andb_true_iff in H. destruct H as [H1 H].
  apply andb_true_iff in H. destruct H as [H2 H3].
  split. { unfold poly. rewrite <- map_map. apply polyZ_ok; [|exact H1]. intros h I. apply in_map_iff in I. destruct I as (v & <- & I). apply Gd, I. }
  destruct l as [|v0 l0]; [discriminate|]. set (l := v0 :: l0) in *. apply Z.eqb_eq in H2. rewrite forallb_forall in H3. split.
  - intros k. assert (D : bit (ors va l) k && bit (ors vb l) k = false).
    { unfold bit. rewrite <- Z.land_spec, H2. apply Z.testbit_0_l. }
    destruct (bit (ors va l) k) eqn:Ea; cbn [andb] in D.
    + left. apply (at_corners l (fun c => 0 <= nth k (OB c) 0)). intros v I. apply Rnot_lt_le. intros L.
      apply (proj1 (proj2 (good_bits v (Gd v I)))) in L.
      assert (bit (ors vb l) k = true) by (apply ors_bit; exists v; auto). congruence.
    + right. apply (at_corners l (fun c => nth k (OB c) 0 <= 0)). intros v I. apply Rnot_lt_le. intros L.
      apply (proj1 (good_bits v (Gd v I))) in L.
      assert (bit (ors va l) k = true) by (apply ors_bit; exists v; auto). congruence.
  - destruct (masks_spec v0 l0 Gd) as [Lm Bm]. intros g Lg. destruct (positive_bit (nth g (ands (vm v0) l0) 0%Z)) as [k K].
    { apply Z.ltb_lt, H3, nth_In. rewrite Lm. exact Lg. }
    exists k. apply (at_corners l (fun c => nth k (nth g (GR c) []) (-1) = 0)). apply Bm, K.
Qed.
(* the input as forms *)
Definition inF : list (list form) :=
  [map (fun r => let '(a, b, c) := r in F (IZR a / IZR (Zpos (den q))) (IZR b / IZR (Zpos (den q))) (IZR c / IZR (Zpos (den q)))) (rows q)].
Lemma xin_forms p : xin p = map (evs p) inF.
Proof.
  unfold xin, inF, input. simpl. f_equal. unfold evs. rewrite map_map. apply map_ext. intros [[a b] c].
  unfold ev; simpl. field. apply Rgt_not_eq, pos_IZR.
Qed.
Theorem piece_sound l : (forall v, In v l -> good v) -> piece_ok l = true ->
  conv (poly l) /\ (forall p, inside (poly l) p -> says (code_of l) p) /\ convex (poly l).
Proof.
  intros Gd H. destruct (piece_agree l Gd H) as (CV & AG & CM). split; [exact CV|]. split; cycle 1.
  { apply andb_true_iff in H. destruct H as [H1 _]. destruct (polyZ_ccw (map vp l)) as [L C]; [|exact H1|].
    - intros h I. apply in_map_iff in I. destruct I as (v & <- & I). apply Gd, I.
    - unfold convex, poly. rewrite map_length in *. rewrite map_map in C. split; assumption. }
  intros p Ip. destruct l as [|v0 l0]; [simpl in CV; tauto|]. destruct (masks_spec v0 l0 Gd) as [Lm Bm]. unfold code_of.
  set (l := v0 :: l0) in *. set (m := ands (vm v0) l0) in *.
  destruct (inside_signs (poly l) CV N inF p WF Ip) as [S1 S2].
  { eapply agree_ext; [|exact AG]. intros v _. unfold OB. rewrite xin_forms. reflexivity. }
  { eapply common_ext; [|exact CM]. intros v _. unfold GR. rewrite xin_forms. reflexivity. }
  rewrite <- xin_forms in S1, S2. fold (OB p) in S1. fold (GR p) in S2.
  repeat split; intros; try exact Lm.
  - apply (proj1 (S1 k)). apply ors_bit in H0. destruct H0 as (v & I & B). exists (hp (vp v)). split; [apply in_map_iff; exists v; auto|].
    rewrite <- xin_forms. apply (good_bits v (Gd v I)), B.
  - apply (proj1 (S1 k)) in H0. destruct H0 as (c & I & B). rewrite <- xin_forms in B. apply in_map_iff in I. destruct I as (v & <- & I).
    apply ors_bit. exists v. split; [exact I | apply (good_bits v (Gd v I)), B].
  - apply (proj2 (S1 k)). apply ors_bit in H0. destruct H0 as (v & I & B). exists (hp (vp v)). split; [apply in_map_iff; exists v; auto|].
    rewrite <- xin_forms. apply (good_bits v (Gd v I)), B.
  - apply (proj2 (S1 k)) in H0. destruct H0 as (c & I & B). rewrite <- xin_forms in B. apply in_map_iff in I. destruct I as (v & <- & I).
    apply ors_bit. exists v. split; [exact I | apply (good_bits v (Gd v I)), B].
  - apply S2. intros c I. rewrite <- xin_forms. revert c I. apply (at_corners l (fun c => nth k (nth i (GR c) []) (-1) = 0)). apply Bm, H0.
  - apply Bm. apply (at_corners l (fun c => nth k (nth i (GR c) []) (-1) = 0)). intros c I. rewrite S2 in H0. specialize (H0 c I). rewrite <- xin_forms in H0. exact H0.
Qed.
(* and all values of the network are affine on it *)
Theorem piece_forms l : (forall v, In v l -> good v) -> piece_ok l = true ->
  exists VF, forall p, inP (poly l) p -> values N (xin p) = map (evs p) VF.
Proof.
  intros Gd H. destruct (piece_agree l Gd H) as (CV & AG & CM). destruct (net_form (poly l) CV N inF WF) as (OF & GF & VF & K).
  { eapply agree_ext; [|exact AG]. intros v _. unfold OB. rewrite xin_forms. reflexivity. }
  { eapply common_ext; [|exact CM]. intros v _. unfold GR. rewrite xin_forms. reflexivity. }
  exists VF. intros p Ip. rewrite xin_forms. apply K, Ip.
Qed.

(* equal codes, equal patterns; and conversely *)
Lemma map_sg_eq l m : length l = length m -> (forall k, 0 < nth k l 0 <-> 0 < nth k m 0) -> (forall k, nth k l 0 < 0 <-> nth k m 0 < 0) ->
  map sg l = map sg m.
Proof.
  revert m. induction l as [|a l IH]; intros [|b m] L A B; simpl in L; try discriminate; [reflexivity|]. simpl. f_equal.
  - specialize (A 0%nat). specialize (B 0%nat). simpl in A, B. unfold sg.
    destruct (Rlt_dec 0 a), (Rlt_dec 0 b), (Rlt_dec a 0), (Rlt_dec b 0); tauto || reflexivity.
  - apply IH; [lia | intros k; apply (A (S k)) | intros k; apply (B (S k))].
Qed.
Lemma grouped_np p i k : nth k (nth i (GR p) []) (-1) <= 0.
Proof. apply grouped_nonpos. Qed.
Lemma shapes p p' : length (OB p) = length (OB p') /\ map (@length R) (GR p) = map (@length R) (GR p').
Proof. apply net_shape. unfold shape, xin. simpl. unfold input. rewrite !map_length. reflexivity. Qed.
Lemma nonpos_sg_eq l m : length l = length m -> (forall k, nth k l (-1) <= 0) -> (forall k, nth k m (-1) <= 0) ->
  (forall k, nth k l (-1) = 0 <-> nth k m (-1) = 0) -> map sg l = map sg m.
Proof.
  revert m. induction l as [|a l IH]; intros [|b m] L A B E; simpl in L; try discriminate; [reflexivity|]. simpl. f_equal.
  - specialize (A 0%nat). specialize (B 0%nat). specialize (E 0%nat). simpl in A, B, E. unfold sg.
    destruct (Rlt_dec 0 a), (Rlt_dec 0 b), (Rlt_dec a 0), (Rlt_dec b 0); try reflexivity; exfalso; try lra; destruct E; lra.
  - apply IH; [lia | intros k; apply (A (S k)) | intros k; apply (B (S k)) | intros k; apply (E (S k))].
Qed.
Lemma says_eq c p p' : says c p -> says c p' -> PAT p = PAT p'.
Proof.
  destruct c as [[a b] m]. intros (A1 & A2 & A3 & _) (B1 & B2 & B3 & _). unfold PAT, pattern. fold (xin p). fold (xin p').
  destruct (shapes p p') as [L1 L2]. f_equal.
  - apply map_sg_eq; [exact L1 | intros k; rewrite <- A1, <- B1; tauto | intros k; rewrite <- A2, <- B2; tauto].
  - fold (GR p) (GR p'). assert (E : forall i k, nth k (nth i (GR p) []) (-1) = 0 <-> nth k (nth i (GR p') []) (-1) = 0) by (intros; rewrite <- A3, <- B3; tauto).
    pose proof (grouped_np p) as N1. pose proof (grouped_np p') as N2. revert L2 E N1 N2. generalize (GR p), (GR p'). clear.
    induction l as [|x l IH]; intros [|y l0] L E N1 N2; simpl in L; try discriminate; [reflexivity|]. injection L as L1 L2. simpl. f_equal.
    + apply nonpos_sg_eq; [exact L1 | apply (N1 0%nat) | apply (N2 0%nat) | apply (E 0%nat)].
    + apply IH; [exact L2 | intros i; apply (E (S i)) | intros i; apply (N1 (S i)) | intros i; apply (N2 (S i))].
Qed.
Lemma sg_nth l k d : nth k (map sg l) (sg d) = sg (nth k l d). Proof. apply map_nth. Qed.
Lemma sg_pos x : sg x = 1%Z <-> 0 < x.
Proof. unfold sg. destruct (Rlt_dec 0 x), (Rlt_dec x 0); split; try lra; try discriminate; auto. Qed.
Lemma sg_neg x : sg x = (-1)%Z <-> x < 0.
Proof. unfold sg. destruct (Rlt_dec 0 x), (Rlt_dec x 0); split; try lra; try discriminate; auto. Qed.
Lemma sg_nul x : sg x = 0%Z <-> x = 0.
Proof. unfold sg. destruct (Rlt_dec 0 x), (Rlt_dec x 0); split; try lra; try discriminate; auto. Qed.
Lemma says_code c c' p p' : says c p -> says c' p' -> PAT p = PAT p' -> c = c'.
Proof.
  destruct c as [[a b] m], c' as [[a' b'] m']. intros (A1 & A2 & A3 & A4) (B1 & B2 & B3 & B4) E.
  unfold PAT, pattern in E. fold (xin p) (xin p') in E. fold (OB p) (OB p') (GR p) (GR p') in E. injection E as E1 E2.
  assert (S1 : forall k, sg (nth k (OB p) 0) = sg (nth k (OB p') 0)) by (intros k; rewrite <- !sg_nth, E1; reflexivity).
  assert (S2 : forall i k, sg (nth k (nth i (GR p) []) (-1)) = sg (nth k (nth i (GR p') []) (-1))).
  { intros i k. rewrite <- !sg_nth. rewrite <- !(map_nth (map sg)), E2. reflexivity. }
  f_equal; [f_equal|].
  - apply bit_iff_ext. intros k. rewrite A1, B1, <- !sg_pos, S1. tauto.
  - apply bit_iff_ext. intros k. rewrite A2, B2, <- !sg_neg, S1. tauto.
  - apply (nth_ext m m' 0%Z 0%Z); [congruence|]. intros i _. apply bit_iff_ext. intros k. rewrite A3, B3, <- !sg_nul, S2. tauto.
Qed.
End net.
Open Scope R_scope.

(* ---------- the geometry that a certificate lists *)
Definition corner (a : answer) (i : positive) : pt := hp (nth (Pos.to_nat i - 1) (vertices a) (0, 0, 1)%Z).
Definition pieces (a : answer) : list (list (list pt)) := map (map (map (corner a))) (regions a).
Definition windowR (q : question) : list pt := map hp (window q).

(* ---------- the table of vertices *)
Lemma tabulate_find {X} (l : list X) : forall k m i, PositiveMap.find i (tabulate l k m) =
  if Pos.ltb i k then PositiveMap.find i m else
  match nth_error l (Pos.to_nat i - Pos.to_nat k) with Some x => Some x | None => PositiveMap.find i m end.
Proof.
  induction l as [|x l IH]; intros k m i; cbn [tabulate].
  - destruct (Pos.ltb i k); [reflexivity|]. destruct (Pos.to_nat i - Pos.to_nat k)%nat; reflexivity.
  - rewrite IH. destruct (Pos.ltb_spec i k) as [L|L].
    + replace (Pos.ltb i (Pos.succ k)) with true by (symmetry; apply Pos.ltb_lt; lia). apply PositiveMap.gso. lia.
    + destruct (Pos.eq_dec i k) as [->|N].
      * replace (Pos.ltb k (Pos.succ k)) with true by (symmetry; apply Pos.ltb_lt; lia).
        rewrite PositiveMap.gss, Nat.sub_diag. reflexivity.
      * replace (Pos.ltb i (Pos.succ k)) with false by (symmetry; apply Pos.ltb_ge; lia).
        replace (Pos.to_nat i - Pos.to_nat k)%nat with (S (Pos.to_nat i - Pos.to_nat (Pos.succ k)))%nat by lia.
        cbn [nth_error]. destruct (nth_error l (Pos.to_nat i - Pos.to_nat (Pos.succ k))); [reflexivity|]. apply PositiveMap.gso. congruence.
Qed.
Lemma tab_find {X} (l : list X) i : PositiveMap.find i (tab l) = nth_error l (Pos.to_nat i - 1).
Proof.
  unfold tab. rewrite tabulate_find. replace (Pos.ltb i 1) with false by (symmetry; apply Pos.ltb_ge; lia).
  rewrite PositiveMap.gempty. change (Pos.to_nat 1) with 1%nat. destruct (nth_error l _); reflexivity.
Qed.
Lemma all_some_spec {X Y} (f : X -> option Y) l m : all_some f l = Some m -> Forall2 (fun x y => f x = Some y) l m.
Proof.
  revert m. induction l as [|x l IH]; intros m H; simpl in H.
  - injection H as <-. constructor.
  - destruct (f x) eqn:E; [|discriminate]. destruct (all_some f l); [|discriminate]. injection H as <-. constructor; auto.
Qed.
Lemma Forall2_imp {X Y} (R1 R2 : X -> Y -> Prop) l m : (forall x y, R1 x y -> R2 x y) -> Forall2 R1 l m -> Forall2 R2 l m.
Proof. intros H. induction 1; constructor; auto. Qed.
Lemma wf_plZ_ok m r : wf_plZ m r = true -> wf_pl m r.
Proof.
  revert m. induction r as [|[t m'] r IH]; intros m H; simpl in *; [auto|].
  apply andb_true_iff in H. destruct H as [H H3]. apply andb_true_iff in H. destruct H as [H1 H2].
  apply Z.eqb_eq in H1. repeat split; [exact H1 | | apply IH, H3]. destruct r as [|[t' m''] r]; [auto|]. apply Z.ltb_lt in H2. exact H2.
Qed.
Lemma wfZ_ok N : wfZ N = true -> wf N.
Proof.
  unfold wfZ, wf. rewrite forallb_forall. intros H n I. specialize (H n I). destruct n; simpl; auto.
  rewrite forallb_forall in H. intros u J. apply wf_plZ_ok, H, J.
Qed.
Lemma leq_ok l : forall m, leq l m = true -> l = m.
Proof.
  induction l as [|a l IH]; intros [|b m] H; simpl in H; try discriminate; [reflexivity|].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.eqb_eq in H1. f_equal; auto.
Qed.
Lemma ceq_ok c d : ceq c d = true -> c = d.
Proof.
  destruct c as [[a b] m], d as [[a' b'] m']. unfold ceq. intros H. apply andb_true_iff in H. destruct H as [H H3].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.eqb_eq in H1, H2. apply leq_ok in H3. congruence.
Qed.
Lemma region_code_ok U c : region_code U = Some c -> U <> [] /\ forall l, In l U -> piece_ok l = true /\ code_of l = c.
Proof.
  destruct U as [|l U]; simpl; [discriminate|]. destruct (piece_ok l && _ && _) eqn:E; [|discriminate].
  intros H. injection H as <-. apply andb_true_iff in E. destruct E as [E E3]. apply andb_true_iff in E. destruct E as [E1 E2].
  rewrite forallb_forall in E2, E3. split; [discriminate|]. intros k [<-|I]; [auto|]. split; [apply E2, I | apply ceq_ok, E3, I].
Qed.
(* sorting *)
Lemma lexlt_irrefl l : lexlt l l = false.
Proof. induction l as [|a l IH]; simpl; [reflexivity|]. rewrite Z.compare_refl. exact IH. Qed.
Lemma lexlt_trans l : forall m n, lexlt l m = true -> lexlt m n = true -> lexlt l n = true.
Proof.
  induction l as [|a l IH]; intros [|b m] [|c n]; simpl; try discriminate; auto.
  destruct (Z.compare_spec a b), (Z.compare_spec b c), (Z.compare_spec a c); try discriminate; try reflexivity; try lia; subst; try lia.
  apply IH.
Qed.
Lemma increasing_NoDup l : increasing l = true -> NoDup l.
Proof.
  induction l as [|a l IH]; intros H; [constructor|]. 
  assert (K : forall x, In x l -> lexlt a x = true).
  { clear IH. revert a H. induction l as [|b l IH]; intros a H x I; [contradiction|].
    simpl in H. apply andb_true_iff in H. destruct H as [H1 H2]. destruct I as [<-|I]; [exact H1|].
    apply lexlt_trans with b; [exact H1 | apply IH; assumption]. }
  constructor.
  - intros I. specialize (K a I). rewrite lexlt_irrefl in K. discriminate.
  - apply IH. destruct l; [reflexivity|]. simpl in H. apply andb_true_iff in H. apply H.
Qed.
Lemma all_different_ok l : all_different l = true -> NoDup l.
Proof.
  intros H. apply increasing_NoDup in H. eapply Permutation_NoDup; [|exact H]. apply Permutation_sym, msort_perm.
Qed.
(* cancellation *)
Lemma csum_perm p l m : Permutation l m -> csum p l = csum p m.
Proof. induction 1; simpl; lia. Qed.
Lemma csum_swap (f : positive -> pt) p l :
  csum p (map (fun e => (f (fst e), f (snd e))) (map swap l)) = (- csum p (map (fun e => (f (fst e), f (snd e))) l))%Z.
Proof. induction l as [|e l IH]; simpl; [reflexivity|]. rewrite IH, (chi_anti (f (fst e))). lia. Qed.
Lemma csum_balanced (f : positive -> pt) p E : Permutation E (map swap E) -> csum p (map (fun e => (f (fst e), f (snd e))) E) = 0%Z.
Proof.
  intros Pm. apply (Permutation_map (fun e => (f (fst e), f (snd e)))) in Pm. apply (csum_perm p) in Pm. rewrite csum_swap in Pm. lia.
Qed.
Lemma all_edges_perm rs : forall acc, Permutation (flat_map edges (concat rs) ++ acc) (all_edges rs acc).
Proof.
  induction rs as [|U rs IH]; intros acc; cbn [all_edges concat]; [reflexivity|].
  etransitivity; [|apply IH]. rewrite flat_map_app, <- app_assoc.
  assert (X : forall acc, Permutation (flat_map edges U ++ acc) (fold_left (fun acc l => rev_append (edges l) acc) U acc)).
  { clear. induction U as [|l U IH]; intros acc; cbn [flat_map fold_left app]; [reflexivity|].
    etransitivity; [|apply IH]. rewrite <- app_assoc, Permutation_app_swap_app. apply Permutation_app_head, rev_append_perm. }
  etransitivity; [apply Permutation_app_swap_app|]. apply Permutation_app_head, X.
Qed.
Lemma codes_ok find rs : forall acc cs, codes find rs acc = Some cs ->
  exists R ks, all_some (all_some (all_some find)) rs = Some R /\ all_some region_code R = Some ks /\ cs = rev (map flat ks) ++ acc.
Proof.
  induction rs as [|U rs IH]; intros acc cs H; cbn [codes] in H.
  - injection H as <-. exists [], []. auto.
  - cbn [all_some]. destruct (all_some (all_some find) U) as [vs|]; [|discriminate]. destruct (region_code vs) as [c|] eqn:C; [|discriminate].
    apply IH in H. destruct H as (R & ks & -> & K & ->). exists (vs :: R), (c :: ks). cbn [all_some]. rewrite C, K. repeat split.
    simpl. rewrite <- app_assoc. reflexivity.
Qed.
Lemma consec_map {X Y} (f : X -> Y) l : forall a, consec (f a) (map f l) = map (fun e => (f (fst e), f (snd e))) (consec a l).
Proof. induction l as [|b l IH]; intros a; simpl; [reflexivity|]. rewrite IH. reflexivity. Qed.
Lemma edges_map {X Y} (f : X -> Y) l : edges (map f l) = map (fun e => (f (fst e), f (snd e))) (edges l).
Proof. destruct l as [|a l]; [reflexivity|]. unfold edges. cbn [map]. rewrite <- consec_map, map_app. reflexivity. Qed.

(* ---------- the theorem *)
Section main.
Variables (q : question) (a : answer).
Hypothesis ok : checked q a.

Let find i := PositiveMap.find i (table q (vertices a)).
Lemma parts : wfZ (network q) = true /\ (forall h, In h (window q) -> (0 < hw h)%Z) /\ (forall h, In h (vertices a) -> (0 < hw h)%Z)
  /\ polyZ (window q) = true
  /\ (exists R cs, all_some (all_some (all_some find)) (regions a) = Some R /\ all_some region_code R = Some cs /\ NoDup (map flat cs))
  /\ sides_ok (fun i => option_map vp (find i)) (edges (window q)) (sides a) = true
  /\ balanced a.
Proof.
  destruct ok as [K B]. unfold core_ok in K. rewrite !andb_true_iff in K.
  destruct K as (((((K1 & K2) & K3) & K4) & K5) & K6). rewrite forallb_forall in K2, K3. split; [exact K1|].
  split; [intros h I; apply Z.ltb_lt, K2, I|]. split; [intros h I; apply Z.ltb_lt, K3, I|].
  split; [exact K4|]. split; [|split; [exact K6 | exact B]].
  destruct (codes _ (regions a) []) as [cs|] eqn:E; [|discriminate]. apply codes_ok in E. destruct E as (R & ks & H1 & H2 & ->).
  exists R, ks. split; [exact H1|]. split; [exact H2|]. apply all_different_ok in K5. rewrite app_nil_r in K5.
  eapply Permutation_NoDup; [symmetry; apply Permutation_rev | exact K5].
Qed.
Lemma find_good i v : find i = Some v -> good q v /\ hp (vp v) = corner a i.
Proof.
  unfold find, table. rewrite tab_find, nth_error_map.
  destruct (nth_error (vertices a) (Pos.to_nat i - 1)) as [h|] eqn:E; [|discriminate]. intros H. injection H as <-.
  assert (X : vp (evalv q h) = h) by (unfold evalv; destruct (observedZ _ _ _); reflexivity).
  split; [split|].
  - rewrite X. apply parts. eapply nth_error_In, E.
  - rewrite X. reflexivity.
  - rewrite X. unfold corner. f_equal. symmetry. apply nth_error_nth, E.
Qed.
Lemma found l vs : Forall2 (fun i v => find i = Some v) l vs -> (forall v, In v vs -> good q v) /\ poly vs = map (corner a) l.
Proof.
  induction 1 as [|i v l vs H _ [I1 I2]]; [simpl; split; [tauto | reflexivity]|].
  apply find_good in H. destruct H as [G C]. split; [intros x [<-|J]; auto|]. unfold poly in *. simpl. f_equal; assumption.
Qed.
Notation pat_at := (PAT q).
Lemma region_sound U vs c : Forall2 (Forall2 (fun i v => find i = Some v)) U vs -> region_code vs = Some c ->
  map (map (corner a)) U <> [] /\ forall l, In l (map (map (corner a)) U) -> conv l /\ (forall p, inside l p -> says q c p) /\ convex l.
Proof.
  intros H R. apply region_code_ok in R. destruct R as [N R]. split.
  - destruct H; [congruence | discriminate].
  - intros l I. assert (X : exists k, In k vs /\ (forall v, In v k -> good q v) /\ poly k = l).
    { clear N R. induction H as [|ids k U vs H _ IH]; [simpl in I; tauto|]. simpl in I. destruct I as [<-|I].
      - exists k. split; [simpl; auto|]. destruct (found _ _ H); auto.
      - destruct IH as (k' & A & B); [exact I|]. exists k'. simpl; auto. }
    destruct X as (k & A & B & <-). destruct (R k A) as [R1 <-]. apply piece_sound; [apply wfZ_ok, parts | exact B | exact R1].
Qed.
Lemma window_sound : conv (windowR q) /\ sorted (windowR q).
Proof. apply polyZ_ok; apply parts. Qed.
Lemma sides_sound p : forall W s, (forall e, In e W -> (0 < hw (fst e))%Z /\ (0 < hw (snd e))%Z) ->
  sides_ok (fun i => option_map vp (find i)) W s = true ->
  csum p (map (fun e => (corner a (fst e), corner a (snd e))) (flat_map (fun s => match s with [] => [] | i :: t => consec i t end) s))
  = csum p (map (fun e => (hp (fst e), hp (snd e))) W).
Proof.
  induction W as [|[b c] W IH]; intros [|[|i t] s] D H; cbn [sides_ok] in H; try discriminate; [reflexivity|].
  destruct (find i) as [vi|] eqn:Fi; cbn [option_map] in H; [|discriminate].
  destruct (all_some _ t) as [l|] eqn:Fl in H; [|discriminate].
  apply andb_true_iff in H. destruct H as [H H3]. apply andb_true_iff in H. destruct H as [H1 H2]. apply heq_ok in H1.
  cbn [flat_map]. rewrite map_app, csum_app, IH by (try exact H3; intros; apply D; simpl; auto). cbn [map fst snd].
  change (csum p ((hp b, hp c) :: ?x)) with (chi (hp b) (hp c) p + csum p x)%Z. simpl csum at 2. f_equal.
  apply find_good in Fi. destruct Fi as [_ Ci]. rewrite H1 in Ci.
  rewrite <- consec_map, <- Ci. apply all_some_spec in Fl.
  assert (X : map (corner a) t = map hp l /\ forall h, In h l -> (0 < hw h)%Z).
  { clear - Fl ok. induction Fl as [|j h t l E _ [I1 I2]]; [split; [reflexivity | simpl; tauto]|].
    destruct (find j) as [v|] eqn:Fj; [|discriminate]. injection E as <-. apply find_good in Fj. destruct Fj as [[G _] C].
    split; [simpl; f_equal; [symmetry; exact C | exact I1] | intros h [<-|I]; auto]. }
  destruct X as [X1 X2]. rewrite X1. destruct (D (b, c) (or_introl eq_refl)) as [D1 D2]. apply steps_ok; assumption.
Qed.
Lemma total_csum p L : total L p = csum p (flat_map edges L).
Proof. induction L as [|l L IH]; simpl; [reflexivity|]. rewrite csum_app, IH. reflexivity. Qed.
Lemma cancels p : total (concat (pieces a)) p = csum p (edges (windowR q)).
Proof.
  destruct parts as (_ & DW & _ & _ & _ & Sd & Cn). apply (csum_balanced (corner a) p) in Cn. unfold window_edges in Cn.
  rewrite (csum_perm p _ _ (Permutation_map _ (Permutation_sym (all_edges_perm _ _)))) in Cn.
  rewrite map_app, csum_app, rev_map_ok, app_nil_r in Cn.
  rewrite (csum_perm p _ _ (Permutation_map _ (Permutation_sym (Permutation_rev _)))), csum_swap in Cn. unfold side_edges in Cn.
  rewrite (sides_sound p (edges (window q)) (sides a)) in Cn.
  - unfold windowR. rewrite edges_map. rewrite total_csum.
    assert (B : flat_map edges (concat (pieces a)) = map (fun e => (corner a (fst e), corner a (snd e))) (flat_map edges (concat (regions a)))).
    { unfold pieces. rewrite <- (concat_map (map (corner a))). generalize (concat (regions a)). induction l as [|x l IH]; simpl; [reflexivity|].
      rewrite map_app, IH, edges_map. reflexivity. }
    rewrite B. lia.
  - intros e I. assert (X : In (fst e) (window q) /\ In (snd e) (window q)).
    { unfold edges in I. destruct (window q) as [|w0 W0]; [simpl in I; tauto|]. apply consec_in in I. cbn [In] in *. rewrite !in_app_iff in I. cbn [In] in I. tauto. }
    split; apply DW; apply X.
  - exact Sd.
Qed.

Definition S_ (z : pat) : set := fun p => inP (windowR q) p /\ pattern (network q) (input (rows q) (den q) p) = z.
Definition union (U : list (list pt)) : set := fun p => exists l, In l U /\ inP l p.

Theorem check_sound :
  (forall l, In l (concat (pieces a)) -> convex l) /\ convex (windowR q) /\
  (* the pieces tile the window *)
  (forall i j k l p, nth_error (concat (pieces a)) i = Some k -> nth_error (concat (pieces a)) j = Some l -> i <> j ->
     inside k p -> inside l p -> False) /\
  (forall p, inP (windowR q) p <-> exists l, In l (concat (pieces a)) /\ inP l p) /\
  (* and the regions they make are exactly the activation regions *)
  exists zs : list pat, NoDup zs /\ (forall z, In z zs <-> exists p, interior (S_ z) p) /\
    Forall2 (fun z U => forall p, union U p <-> closure (interior (S_ z)) p) zs (pieces a).
Proof.
  destruct window_sound as [WC WS]. destruct parts as (_ & _ & _ & _ & (R & cs & HR & Hc & Hd) & _ & _).
  apply all_some_spec in HR. apply all_some_spec in Hc.
  assert (HR' : Forall2 (Forall2 (Forall2 (fun i v => find i = Some v))) (regions a) R).
  { eapply Forall2_imp; [|exact HR]. intros x y E. apply all_some_spec in E. eapply Forall2_imp; [|exact E]. intros; apply all_some_spec; assumption. }
  assert (RS : Forall2 (fun c U => U <> [] /\ forall l, In l U -> conv l /\ (forall p, inside l p -> says q c p) /\ convex l) cs (pieces a)).
  { unfold pieces. clear - HR' Hc ok. revert cs Hc. induction HR' as [|U vs RU R H _ IH]; intros cs Hc; inversion Hc; subst; simpl; constructor; [|apply IH; assumption].
    apply (region_sound U vs); assumption. }
  assert (CC : forall l, In l (concat (pieces a)) -> conv l).
  { clear - RS. induction RS as [|c U cs L [_ H] _ IH]; simpl; [tauto|]. intros l I. apply in_app_iff in I. destruct I as [I|I]; [apply H, I | apply IH, I]. }
  assert (CX : forall l, In l (concat (pieces a)) -> convex l).
  { clear - RS. induction RS as [|c U cs L [_ H] _ IH]; simpl; [tauto|]. intros l I. apply in_app_iff in I. destruct I as [I|I]; [apply H, I | apply IH, I]. }
  split; [exact CX|]. split.
  { destruct parts as (_ & DW & _ & PW & _). destruct (polyZ_ccw _ DW PW). unfold convex, windowR. rewrite map_length. split; assumption. }
  set (zs := map (fun U => match U with [] => ([], []) | l :: _ => PAT q (middle l) end) (pieces a)).
  assert (PS : Forall2 (fun z U => U <> [] /\ forall l, In l U -> forall p, inside l p -> PAT q p = z) zs (pieces a)).
  { unfold zs. clear - RS. induction RS as [|c U cs L [N H] _ IH]; simpl; constructor; [|exact IH]. split; [exact N|].
    intros l I p J. destruct U as [|l0 U]; [congruence|]. apply (says_eq q c); [apply (H l I), J|].
    destruct (H l0 (or_introl eq_refl)) as (C0 & H0 & _). apply H0, middle_inside, C0. }
  assert (ND : NoDup zs).
  { assert (SC : Forall2 (fun c z => exists p, says q c p /\ PAT q p = z) cs zs).
    { unfold zs. clear - RS. induction RS as [|c U cs L [N H] _ IH]; simpl; constructor; [|exact IH].
      destruct U as [|l0 U]; [congruence|]. destruct (H l0 (or_introl eq_refl)) as (C0 & H0 & _). exists (middle l0). split; [apply H0, middle_inside, C0 | reflexivity]. }
    apply NoDup_map_inv in Hd. clear - SC Hd.
    induction SC as [|c z cs zs (p & Sp & Pz) SC IH]; constructor.
    - inversion Hd; subst. intros I. apply H1. clear - SC I Sp. induction SC as [|c' z' cs zs (p' & Sp' & Pz') _ IH]; [contradiction|].
      destruct I as [E|I]; [left | right; apply IH, I]. apply (says_code q c' c p' p Sp' Sp). congruence.
    - apply IH. inversion Hd; assumption. }
  split; [|split].
  - intros i j k l p. apply (disjoint (windowR q) _ WC WS CC cancels).
  - intros p. apply (tiles (windowR q) _ WC CC cancels).
  - exists zs. split; [exact ND|]. split.
    + intros z. apply (patterns_with_interior pat (PAT q) (windowR q) (pieces a) WC CC cancels zs PS).
    + pose proof (regions_are_closures pat (PAT q) (windowR q) (pieces a) WC CC cancels zs PS ND) as X.
      clear - X PS. revert X. induction PS as [|z U zs L _ _ IH]; intros X; constructor; [apply (X 0%nat); reflexivity|].
      apply IH. intros k. apply (X (S k)).
Qed.
End main.
